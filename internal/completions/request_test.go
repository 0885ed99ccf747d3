package completions

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// sent returns what an upstream gets of a request.
func sent(t *testing.T, r *Request, model string) string {
	t.Helper()
	return read(t, r.Body(model))
}

func read(t *testing.T, b *Body) string {
	t.Helper()
	text, err := io.ReadAll(b.reader(func() {}))
	if err != nil || int64(len(text)) != b.size {
		t.Fatalf("%d of %d bytes, %v", len(text), b.size, err)
	}
	return string(text)
}

// Contract, client-behaviour §10: forwarded unchanged, except for members that begin with an underscore.
func TestWhatGoesOn(t *testing.T) {
	for _, c := range []struct{ name, in, model, want string }{
		{"as it is", "{ \"model\":\"a\" , \"x\": 1.50e1, \"x\":2,\n\"s\":\"\\ud800\" }\n", "a", "{ \"model\":\"a\" , \"x\": 1.50e1, \"x\":2,\n\"s\":\"\\ud800\" }\n"},
		{"no UTF-8", "{\"model\":\"a\",\"s\":\"\xff\"}", "a", "{\"model\":\"a\",\"s\":\"\xff\"}"},
		{"the last", `{"model":"a","_threadId":"t"}`, "a", `{"model":"a"}`},
		{"the first", `{ "_threadId":"t", "model":"a"}`, "a", `{ "model":"a"}`},
		{"in the middle", `{"model":"a", "_threadId":"t" ,"x":1}`, "a", `{"model":"a" ,"x":1}`},
		{"several", `{"_a":1,"_b":{"c":[2]},"model":"a","_c":3,"_d":4,"x":1,"_e":5}`, "a", `{"model":"a","x":1}`},
		{"all", `{"_a":1,"_b":2 }`, "", `{ }`},
		{"an escaped name", `{"model":"a","\u005fcontext":{"secret":1}}`, "a", `{"model":"a"}`},
		{"below the top", `{"model":"a","messages":[{"_x":1}]}`, "a", `{"model":"a","messages":[{"_x":1}]}`},
		{"another name of the model", `{"x":1,"model":"o\/llama" ,"_y":2}`, "llama", `{"x":1,"model":"llama"}`},
		{"the last name counts", `{"model":"a","model":"o/b"}`, "b", `{"model":"a","model":"b"}`},
		{"no model", `{}`, "", `{}`},
		{"a model of another kind", `{"model":{"a":1}}`, "", `{"model":{"a":1}}`},
	} {
		r, err := Read([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got := sent(t, r, c.model); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// An answer without its client comes as events, whatever was requested.
func TestEventsAreAskedFor(t *testing.T) {
	for in, want := range map[string]string{
		`{"stream":true,"_a":1,"model":"o/m"}`:                 `{"stream":true,"model":"m"}`,
		`{"model":"o/m", "stream":"no" }`:                      `{"model":"m", "stream":true }`,
		`{"stream":true,"model":"o/m","stream": false,"_a":1}`: `{"stream":true,"model":"m","stream": true}`,
		`{"model":"o/m","x":[1] ,"_a":1}`:                      `{"model":"m","x":[1],"stream":true}`,
		`{"_a":1,"model":"o/m"}`:                               `{"model":"m","stream":true}`,
		`{"_a":1}`:                                             `{"stream":true}`,
		` { } `:                                                ` { "stream":true} `,
	} {
		r, err := Read([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		model := strings.TrimPrefix(r.Model, "o/")
		if got := read(t, r.Streamed(model)); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestWhatIsAsked(t *testing.T) {
	for in, want := range map[string]Request{
		`{"model":"a/b","stream":true,"_background":true}`:            {Model: "a/b", Stream: true, Background: true},
		`{"stream":false,"_background":false,"background":true}`:      {},
		`{"stream":"true","_background":"true","model":["a"]}`:        {},
		`{"model":"a","stream":true,"stream":false,"model":"\u0062"}`: {Model: "b"},
		`{"_background":false,"\u005Fbackground":true}`:               {Background: true},
		`{"_background":true,"_background":false}`:                    {},
		`{"model":"a","model":7}`:                                     {},
		`{"model":""}`:                                                {},
	} {
		r, err := Read([]byte(in))
		if err != nil || r.Model != want.Model || r.Stream != want.Stream || r.Background != want.Background {
			t.Errorf("%s: %+v, %v", in, r, err)
		}
	}
}

func TestUnfitRequests(t *testing.T) {
	many := "{" + strings.Repeat(`"_a":1,"a":1,`, maxCuts+1) + `"b":1}`
	for _, in := range []string{"", " ", "null", "[]", `"x"`, "1", "{", `{"a"`, `{"a":}`, `{"a":1,}`, `{"a":1}{}`, `{"a":1} x`, "{\"a\":\"\n\"}", `{a:1}`, many} {
		if _, err := Read([]byte(in)); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%.40q: %v", in, err)
		}
	}
	for in, fit := range map[string]bool{
		`{"tools":[{"type":"function","function":{"name":"f","parameters":{}}}]}`: true,
		`{"tools":[{"type":"openrouter:web_search"}]}`:                            true,
		`{"tools":[]}`: true, `{"tools":null}`: true,
		`{"tools":{}}`: false, `{"tools":"x"}`: false, `{"tools":[1]}`: false, `{"tools":[{}]}`: false, `{"tools":[{"type":1}]}`: false,
		`{"tools":[{"type":"function"}]}`: false, `{"tools":[{"type":"function","function":{"name":""}}]}`: false,
		`{"tools":[{"type":"function","function":{"name":1}}]}`: false, `{"tools":[{"type":"function","function":[]}]}`: false,
	} {
		if _, err := Read([]byte(in)); (err == nil) != fit || err != nil && !errors.Is(err, ErrTools) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// A large chat is not copied, wherever it is large, so its memory counts only once.
func TestALargeChatIsNotCopied(t *testing.T) {
	long := strings.Repeat("x", 8<<20)
	for name, in := range map[string]string{
		"a message":           `{"model":"a","messages":"` + long + `"}`,
		"a name":              `{"model":"a","` + long + `":1}`,
		"a name that is ours": `{"model":"a","\u005F` + long + `":1}`,
		"a thread":            `{"model":"a","_threadId":"` + long + `"}`,
		"a history":           `{"model":"a","_history":{"x":"` + long + `"}}`,
		"a type of tools":     `{"model":"a","tools":[{"type":"` + long + `"}]}`,
		"a tool":              `{"model":"a","tools":[{"type":"function","function":{"name":"` + long + `","` + long + `":1}}]}`,
		"a name in a tool":    `{"model":"a","tools":[{"` + long + `":1,"type":"x"}]}`,
	} {
		text := []byte(in)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := Read(text)
		runtime.ReadMemStats(&after)
		if err != nil || after.TotalAlloc-before.TotalAlloc > 1<<20 {
			t.Errorf("%s: %d bytes, %v", name, after.TotalAlloc-before.TotalAlloc, err)
			continue
		}
		if name == "a name that is ours" && string(r.Body("a").Bytes()) != `{"model":"a"}` {
			t.Errorf("%s goes on", name)
		}
	}
	if _, err := Read([]byte(`{"model":"local/` + long + `"}`)); !errors.Is(err, ErrUnreadable) {
		t.Errorf("a model: %v", err)
	}
}

// The memory of a chat is released once the upstream has it, and not before.
func TestABodyIsForgottenWhenItWasSent(t *testing.T) {
	r, err := Read([]byte(`{"model":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	b := r.Body("a")
	if b.Release() {
		t.Error("released before anything was read")
	}
	text := b.reader(func() {})
	if _, err := io.ReadFull(text, make([]byte, b.size)); err != nil {
		t.Error(err)
	}
	if !b.Release() || b.parts != nil {
		t.Error("still held")
	}
	if n, err := text.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		t.Errorf("after its end: %d, %v", n, err)
	}
}

// The forwarded request is the same object without the members that an upstream must not see.
func FuzzWhatGoesOn(f *testing.F) {
	f.Add(`{"_a":1,"model":"o/x","b":[1,{"_c":2}],"_d":{}}`)
	f.Add(`{"a":1,"_b":2,"_c":3}`)
	f.Add(`{"\u005fa":1,"` + strings.Repeat("x", 2*longestName) + `":1,"_` + strings.Repeat("x", 2*longestName) + `":1,"model":"a","model":7}`)
	f.Add(`{"tools":[{"type":"function","function":{"name":"f"}}],"_history":{},"_history":7,"\ud800":1}`)
	f.Fuzz(func(t *testing.T, in string) {
		r, err := Read([]byte(in))
		var want map[string]any
		if err != nil || json.Unmarshal([]byte(in), &want) != nil {
			return
		}
		for name := range want {
			if strings.HasPrefix(name, "_") {
				delete(want, name)
			}
		}
		var got map[string]any
		text := sent(t, r, r.Model)
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q (%v)", in, text, err)
		}
		streamed := read(t, r.Streamed(r.Model))
		want["stream"] = true
		if err := json.Unmarshal([]byte(streamed), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q became %q (%v)", in, streamed, err)
		}
		if len(want) > 0 && r.Model != "" {
			renamed := sent(t, r, "another name")
			if err := json.Unmarshal([]byte(renamed), &got); err != nil || got["model"] != "another name" {
				t.Errorf("%q became %q (%v)", in, renamed, err)
			}
		}
	})
}
