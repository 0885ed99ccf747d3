package completions

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// The bounds of what a model calls in one go.
const (
	// MaxCalls is how many tools it calls.
	MaxCalls = 32
	// MaxArguments is how many bytes the arguments of a call have (contract, client-behaviour §15), and maxCalled is how many all have.
	MaxArguments = 64 << 10
	maxCalled    = 128 << 10
	// MaxCallID is how many bytes the id of a call has.
	MaxCallID = 128
)

// Offered is what an upstream was offered.
type Offered int

// The offers. Most upstreams send the fields of a call in pieces, as they do its text; some send each whole every time.
const (
	NoTools Offered = iota
	Pieces
	WholeFields
)

// ToolCall is a model's call of a tool. Its arguments are JSON if the model has made no mistake.
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

// calls are those of an answer, by the index that pieces of the same one have.
type calls struct {
	by   map[int]*ToolCall
	size int
}

// add adds a piece, and reports whether there is room for it.
func (c *calls) add(p callPiece, whole bool) bool {
	index := 0
	if p.Index != nil {
		index = *p.Index
	} else if p.ID != "" { // servers that send calls whole number none
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

// all returns the calls that name a tool, in their order.
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

// Called returns the message by which a model has called tools.
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

// Result returns the message by which a model is told what a call has brought.
func Result(call ToolCall, text string) []byte {
	return marshal(struct {
		Role    string `json:"role"`
		CallID  string `json:"tool_call_id"`
		Name    string `json:"name"`
		Content string `json:"content"`
	}{"tool", call.ID, call.Name, text})
}

// marshal returns the JSON of what has no value that JSON has not.
func marshal(v any) []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSpace(out.Bytes())
}

// Turn returns what an upstream gets to go on with a chat: the request, with further messages. A tool that had to be called has been.
// It is ErrTools if the request has no list of messages.
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

// Definition returns the definition of a function as the client has sent it; nil if there is none of the name.
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

// functions returns the names of the functions in a list of tools: each tool is an object that names its type, a function has a name.
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

// function reads a tool of a text with d and returns its name if it is a function; "" if it is another tool.
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

// members reads an object of a text with d and returns some of its members.
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

// maxRuntimes is of how many functions it is kept where they are called.
const maxRuntimes = 256

// runtimes returns where functions are called; nil if value says so of none.
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
