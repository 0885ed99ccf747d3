package completions

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Limits on the calls of a model in one turn.
const (
	// MaxCalls is the number of tool calls.
	MaxCalls = 32
	// MaxArguments is the size of the arguments of a call in bytes (contract, client-behaviour §15), and maxCalled that
	// of all calls.
	MaxArguments = 64 << 10
	maxCalled    = 128 << 10
	// MaxCallID is the length of a call's id in bytes.
	MaxCallID = 128
)

// Offered tells which tools a request offered.
type Offered int

// The offers. Most upstreams send the fields of a call in pieces, like text. Some send each field in full every time.
const (
	NoTools Offered = iota
	Pieces
	WholeFields
)

// ToolCall is a model's call of a tool. Its arguments are JSON, unless the model made a mistake.
type ToolCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// callPiece is a piece of a call.
type callPiece struct {
	Index    *int   `json:"index"`
	ID       string `json:"id"`
	Function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	} `json:"function"`
}

// calls holds the calls of an answer, by the index that pieces of the same call share.
type calls struct {
	by   map[int]*ToolCall
	size int
}

// add adds a piece, and reports whether it fits.
func (c *calls) add(p callPiece, whole bool) bool {
	index := 0
	if p.Index != nil {
		index = *p.Index
	} else if p.ID != "" { // servers that send whole calls do not number them
		for c.by[index] != nil && c.by[index].ID != p.ID {
			index++
		}
	}
	if c.by == nil {
		c.by = map[int]*ToolCall{}
	}
	call := c.by[index]
	if call == nil {
		if len(c.by) == MaxCalls {
			return false
		}
		call = &ToolCall{}
		c.by[index] = call
	}
	c.size -= len(call.Name) + len(call.Arguments)
	if call.ID == "" {
		call.ID = strings.ToValidUTF8(p.ID, "\uFFFD")
	}
	name, arguments := strings.ToValidUTF8(p.Function.Name, "\uFFFD"), strings.ToValidUTF8(p.Function.Arguments, "\uFFFD")
	switch {
	case !whole:
		call.Name, call.Arguments = call.Name+name, call.Arguments+arguments
	default:
		if name != "" {
			call.Name = name
		}
		if arguments != "" {
			call.Arguments = arguments
		}
	}
	c.size += len(call.Name) + len(call.Arguments)
	return c.size <= maxCalled && len(call.Arguments) <= MaxArguments
}

// all returns the calls that name a tool, in order.
func (c *calls) all() (out []ToolCall) {
	indexes := make([]int, 0, len(c.by))
	for i := range c.by {
		indexes = append(indexes, i)
	}
	slices.Sort(indexes)
	for _, i := range indexes {
		call := *c.by[i]
		if call.Name == "" {
			continue
		}
		if strings.TrimSpace(call.Arguments) == "" {
			call.Arguments = "{}"
		}
		out = append(out, call)
	}
	return out
}

// Called returns the message in which a model called tools.
func Called(text string, calls []ToolCall) []byte {
	type function struct {
		Name      string `json:"name"`
		Arguments string `json:"arguments"`
	}
	type call struct {
		ID       string   `json:"id"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}
	out := struct {
		Role    string  `json:"role"`
		Content *string `json:"content"`
		Calls   []call  `json:"tool_calls"`
	}{Role: "assistant"}
	if text != "" {
		out.Content = &text
	}
	for _, c := range calls {
		out.Calls = append(out.Calls, call{c.ID, "function", function{c.Name, c.Arguments}})
	}
	return marshal(out)
}

// Result returns the message that gives a model the result of a call.
func Result(call ToolCall, text string) []byte {
	return marshal(struct {
		Role    string `json:"role"`
		CallID  string `json:"tool_call_id"`
		Name    string `json:"name"`
		Content string `json:"content"`
	}{"tool", call.ID, call.Name, text})
}

// marshal returns the JSON of a value that JSON can always represent.
func marshal(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(out.Bytes())
}

// Turn returns the body that continues a chat: the request with further messages. It no longer forces a tool call. It
// returns ErrTools if the request has no list of messages.
func (r *Request) Turn(messages []json.RawMessage) (*Body, error) {
	edits := slices.Clone(r.cuts)
	if len(messages) > 0 {
		list := bytes.TrimSpace(r.text[r.messages.from:r.messages.to])
		if !bytes.HasPrefix(list, []byte("[")) {
			return nil, ErrTools
		}
		var with []byte
		for i, m := range messages {
			if i > 0 || len(bytes.TrimSpace(list[1:len(list)-1])) > 0 {
				with = append(with, ',')
			}
			with = append(with, m...)
		}
		edits = append(edits, edit{from: r.messages.to - 1, to: r.messages.to - 1, with: with})
		if r.choice.to > 0 && r.text[r.choice.from] == '{' {
			edits = append(edits, edit{from: r.choice.from, to: r.choice.to, with: []byte(`"auto"`)})
		}
	}
	return r.body(edits), nil
}

// Definition returns the definition of a function as the client sent it, or nil if there is none with this name.
func (r *Request) Definition(name string) []byte {
	if r.tools.to == 0 {
		return nil
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(r.text[r.tools.from:r.tools.to]), lenient, jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '[' {
		return nil
	}
	for d.PeekKind() == '{' {
		tool, err := d.ReadValue()
		if err != nil {
			return nil
		}
		called, err := function(jsontext.NewDecoder(bytes.NewBuffer(tool), lenient, jsontext.AllowDuplicateNames(true)), tool)
		if err == nil && called == name {
			return tool.Clone()
		}
	}
	return nil
}

// functions returns the names of the functions in a list of tools. Each tool is an object that names its type, and a
// function has a name.
func functions(value jsontext.Value) (names []string, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(value), lenient, jsontext.AllowDuplicateNames(true))
	t, err := d.ReadToken()
	if err == nil && t.Kind() == 'n' {
		return nil, nil
	}
	if err != nil || t.Kind() != '[' {
		return nil, ErrTools
	}
	for d.PeekKind() != ']' {
		name, err := function(d, value)
		if err != nil {
			return nil, err
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}

// function reads a tool of a text with d. It returns its name if it is a function, or "" for another kind of tool.
func function(d *jsontext.Decoder, text []byte) (string, error) {
	tool, err := members(d, text, "type", "function")
	if err != nil || tool["type"].Kind() != '"' {
		return "", ErrTools
	}
	if textOf(tool["type"]) != "function" {
		return "", nil
	}
	of := tool["function"]
	called, err := members(jsontext.NewDecoder(bytes.NewBuffer(of), lenient, jsontext.AllowDuplicateNames(true)), of, "name")
	if err != nil || called["name"].Kind() != '"' || len(called["name"]) == len(`""`) {
		return "", ErrTools
	}
	return textOf(called["name"]), nil
}

// members reads an object of a text with d and returns the requested members.
func members(d *jsontext.Decoder, text []byte, names ...string) (map[string]jsontext.Value, error) {
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil, ErrTools
	}
	out := map[string]jsontext.Value{}
	for d.PeekKind() == '"' {
		raw, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		name := nameOf(raw)
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		if slices.Contains(names, name) {
			end := int(d.InputOffset())
			out[name] = text[end-len(value) : end]
		}
	}
	_, err := d.ReadToken()
	return out, err
}

// maxRuntimes is the largest number of functions in Runtimes.
const maxRuntimes = 256

// runtimes returns where functions are called, or nil if value does not say.
func runtimes(value jsontext.Value) map[string]string {
	d := jsontext.NewDecoder(bytes.NewBuffer(value), lenient, jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return nil
	}
	out := map[string]string{}
	for d.PeekKind() == '"' && len(out) < maxRuntimes {
		name, err := d.ReadValue()
		if err != nil {
			return nil
		}
		called := textOf(name)
		value, err := d.ReadValue()
		if err != nil {
			return nil
		}
		out[called] = textOf(value)
	}
	return out
}
