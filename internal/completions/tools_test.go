package completions

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// called returns the calls of a model.
func called(offered Offered, events ...string) ([]ToolCall, error) {
	e := NewEvents(iotest.OneByteReader(strings.NewReader("data: "+strings.Join(events, "\n\ndata: ")+"\n\ndata: [DONE]\n\n")), offered)
	for {
		if _, err := e.Next(); err != nil {
			return e.Calls(), err
		}
	}
}

func piece(index, id, name, arguments string) string {
	return fmt.Sprintf(`{"choices":[{"delta":{"tool_calls":[{%s"id":%q,"function":{"name":%q,"arguments":%q}}]}}]}`, index, id, name, arguments)
}

func TestCallsOfTools(t *testing.T) {
	const first, second = `"index":0,`, `"index":1,`
	for name, c := range map[string]struct {
		offered Offered
		events  []string
		want    string
		err     error
	}{
		"in pieces": {Pieces, []string{piece(first, "a", "lo", ""), piece(first, "", "ok", `{"x"`), piece(second, "b", "go", "{}"), piece(first, "", "", `:1}`)},
			`[{a look {"x":1}} {b go {}}]`, io.EOF},
		"whole each time":         {WholeFields, []string{piece(first, "a", "look", `{"x"`), piece(first, "a", "look", `{"x":1}`), piece(first, "", "", "")}, `[{a look {"x":1}}]`, io.EOF},
		"without numbers":         {Pieces, []string{piece("", "a", "look", "{}"), piece("", "b", "go", "{}")}, "[{a look {}} {b go {}}]", io.EOF},
		"without arguments":       {Pieces, []string{piece(first, "a", "look", "")}, "[{a look {}}]", io.EOF},
		"without a name":          {Pieces, []string{piece(first, "a", "", "{}")}, "[]", io.EOF},
		"in the order of indexes": {Pieces, []string{piece(second, "b", "go", ""), piece(first, "a", "look", "")}, "[{a look {}} {b go {}}]", io.EOF},
		"in a message":            {Pieces, []string{strings.Replace(piece(first, "a", "look", "{}"), "delta", "message", 1)}, "[{a look {}}]", io.EOF},
		"in pieces, and again": {Pieces, []string{piece(first, "a", "lo", "{"), piece(first, "", "ok", "}"), strings.Replace(piece("", "a", "look", "{}"), "delta", "message", 1)},
			"[{a look {}}]", io.EOF},
		"none offered":    {NoTools, []string{piece(first, "a", "look", "{}")}, "[]", ErrCalls},
		"large arguments": {Pieces, []string{piece(first, "a", "look", strings.Repeat("x", MaxArguments)), piece(first, "", "", "y")}, "", ErrLargeCalls},
		"all are too large": {Pieces, []string{piece(first, "a", "look", strings.Repeat("x", MaxArguments-9)), piece(second, "b", "look", strings.Repeat("x", MaxArguments-9)),
			piece(`"index":2,`, "c", "look", "xxxxxxxxxxxxxxx")}, "", ErrLargeCalls},
		"a long name": {Pieces, []string{piece(first, "a", strings.Repeat("x", maxCalled+1), "")}, "", ErrLargeCalls},
		"too many": {Pieces, func() (all []string) {
			for i := range MaxCalls + 1 {
				all = append(all, piece(fmt.Sprintf(`"index":%d,`, i*1000), "a", "look", ""))
			}
			return all
		}(), "", ErrLargeCalls},
	} {
		t.Run(name, func(t *testing.T) {
			calls, err := called(c.offered, c.events...)
			if !errors.Is(err, c.err) || c.want != "" && fmt.Sprint(calls) != c.want {
				t.Errorf("%.300v, %v", calls, err)
			}
		})
	}
}

// A chat continues with the calls and their results. Everything else stays as it came.
func TestTurnsOfAChat(t *testing.T) {
	calls := []ToolCall{{"a", "look", `{"x":"<"}`}}
	more := []json.RawMessage{Called("", calls), Result(calls[0], "a <b>")}
	const added = `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"look","arguments":"{\"x\":\"<\"}"}}]},` +
		`{"role":"tool","tool_call_id":"a","name":"look","content":"a <b>"}`
	for name, c := range map[string]struct{ text, want string }{
		"usual":            {`{"messages":[{"a": 1}], "model":"m"}`, `{"messages":[{"a": 1},` + added + `], "model":"m"}`},
		"without messages": {`{"messages":[ ],"x":1}`, `{"messages":[ ` + added + `],"x":1}`},
		"a forced tool":    {`{"tool_choice":{"type":"function"},"messages":[1]}`, `{"tool_choice":"auto","messages":[1,` + added + `]}`},
		"a free choice":    {`{"tool_choice":"required","messages":[1]}`, `{"tool_choice":"required","messages":[1,` + added + `]}`},
		"twice":            {`{"messages":[1],"messages":[2]}`, `{"messages":[1],"messages":[2,` + added + `]}`},
		"with own members": {`{"_a":1,"messages":[1],"_b":2}`, `{"messages":[1,` + added + `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			body, err := r.Turn(more)
			if err != nil || string(body.Bytes()) != c.want || body.Size() != int64(len(c.want)) {
				t.Errorf("%s, %v", body.Bytes(), err)
			}
			same, err := r.Turn(nil)
			if err != nil || strings.Contains(string(same.Bytes()), "tool_calls") || strings.Contains(string(same.Bytes()), "_a") {
				t.Errorf("%s, %v", same.Bytes(), err)
			}
		})
	}
	for _, text := range []string{`{}`, `{"messages":7}`, `{"messages":"[1]"}`} {
		if r, err := Read([]byte(text)); err != nil {
			t.Fatal(err)
		} else if _, err := r.Turn(more); !errors.Is(err, ErrTools) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestFunctionsOfARequest(t *testing.T) {
	r, err := Read([]byte(`{"tools":[{"type":"function","function":{"name":"look","x":[1]}},{"type":"web"},{"function":{"name":"go"},"type":"function"}],
		"_toolRuntime":{"look":"client","go":"hybrid","other":1},"_clientDeviceId":"phone","_streamedFieldMode":"cumulative-snapshot"}`))
	if err != nil || fmt.Sprint(r.Functions) != "[look go]" || r.Runtimes["look"] != "client" || r.Runtimes["go"] != "hybrid" || r.Runtimes["other"] != "" ||
		r.Device != "phone" || !r.WholeFields {
		t.Errorf("%+v, %v", r, err)
	}
	if got := string(r.Definition("look")); got != `{"type":"function","function":{"name":"look","x":[1]}}` {
		t.Errorf("the definition: %s", got)
	}
	if r.Definition("none") != nil {
		t.Error("what is not there has a definition")
	}
	if r, err := Read([]byte(`{"_toolRuntime":[],"_clientDeviceId":{},"_streamedFieldMode":"delta"}`)); err != nil || r.Runtimes != nil || r.Device != "" || r.WholeFields || r.Definition("x") != nil {
		t.Errorf("%+v, %v", r, err)
	}
}
