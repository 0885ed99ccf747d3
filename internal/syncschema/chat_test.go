package syncschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

func TestReadChatRecord(t *testing.T) {
	for text, want := range map[string]ChatRecord{
		`{"id":"a","clock":0}`:                            {ID: "a"},
		`{"id":"a","clock":1e3,"hlc":null}`:               {ID: "a", Clock: 1000},
		`{"id":"x","clock":1,"id":"a","clock":2}`:         {ID: "a", Clock: 2},
		`{"id":"a","clock":1,"data":"generation_id"}`:     {ID: "a", Clock: 1},
		`{"id":"a","clock":1,"data":{"generation_id":7}}`: {ID: "a", Clock: 1},
		`{"id":"a","clock":1,"hlc":"h","thread_id":"t","role":"user","data":{"generation_id":"g"}}`: {
			ID: "a", Clock: 1, HLC: "h", ThreadID: "t", Role: "user", GenerationID: "g",
		},
	} {
		if got, err := ReadChatRecord([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		``, `7`, `[]`, `{}`, `{"id":"a"}`, `{"id":"a","clock":-1}`, `{"id":"a","clock":1.5}`, `{"id":"a","clock":"1"}`,
		`{"id":"a","clock":9007199254740992}`, `{"id":"","clock":1}`, `{"id":7,"clock":1}`, `{"id":"a","clock":1,"hlc":7}`, `{"id":"a","clock":1`,
	} {
		if got, err := ReadChatRecord([]byte(text)); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestFinish(t *testing.T) {
	text := func(s string) jsontext.Value { return jsontext.Value(s) }
	message := []Member{{Name: "pending", Value: text("false")}, {Name: "hlc", Value: text(`"new"`), Known: true}}
	data := []Member{{Name: "content", Value: text(`"\ud83d"`)}, {Name: "a\"b", Value: text("1")}}
	for before, want := range map[string]string{
		`{}`: `{"pending":false,"data":{"content":"\ud83d","a\"b":1}}`,
		`{"x":"\ud83d", "hlc" : "old","data":{"kept":[1, 2],"content":7}}`: `{"x":"\ud83d","hlc":"new","data":{"kept":[1, 2],"content":"\ud83d","a\"b":1},"pending":false}`,
		`{"data":"text","pending":true,"pending":1}`:                       `{"data":{"content":"\ud83d","a\"b":1},"pending":false,"pending":false}`,
		`{"data":null}`: `{"data":{"content":"\ud83d","a\"b":1},"pending":false}`,
	} {
		if got, err := Finish([]byte(before), message, data); err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", before, got, err, want)
		}
	}
	if got, err := Finish([]byte(`{"data":`), message, data); err == nil {
		t.Errorf("a broken payload: %s", got)
	}
}

func TestCapture(t *testing.T) {
	long := "data:" + strings.Repeat("x", maxInline)
	defaults := []Member{{Name: "deleted", Value: jsontext.Value("false")}, {Name: "index", Value: jsontext.Value("7")}}
	for before, want := range map[string]string{
		`{}`: `{"deleted":false,"index":7}`,
		`{"id" : "\ud83d","hlc":"h","a.b":1,"error":null,"deleted":null,"index":0,"hlc":2}`:                          `{"id":"\ud83d","index":0,"deleted":false}`,
		`{"error":"x","deleted":true,"index":1,"data":"` + long + `"}`:                                               `{"error":"x","deleted":true,"index":1,"data":"[data-url-stripped]"}`,
		`{"deleted":true,"index":1,"data":{"a":["` + long + `","data:x"], "b":"` + long + `" , "` + long + `" : 1}}`: `{"deleted":true,"index":1,"data":{"a":["[data-url-stripped]","data:x"], "b":"[data-url-stripped]" , "` + long + `" : 1}}`,
		`{"deleted":true,"index":1,"data":{"a":"\"` + long + `","b":"no ` + long + `"},"c":"` + long + `"}`:          `{"deleted":true,"index":1,"data":{"a":"\"` + long + `","b":"no ` + long + `"},"c":"` + long + `"}`,
	} {
		if got, err := Capture(or3cloud.TableMessages, []byte(before), defaults); err != nil || string(got) != want {
			t.Errorf("%.200s: %.200s, %v; want %.200s", before, got, err, want)
		}
	}
	if got, err := Capture(or3cloud.TableThreads, []byte(`{"error":null,"data":"`+long+`"}`), nil); err != nil || string(got) != `{"error":null,"data":"`+long+`"}` {
		t.Errorf("a thread: %.200s, %v", got, err)
	}
	if got, err := Capture(or3cloud.TableMessages, []byte(`{"a":`), nil); err == nil {
		t.Errorf("a broken row: %s", got)
	}
}

func TestProjectsOfThreads(t *testing.T) {
	for data, want := range map[string]bool{
		`[{"id":"t","kind":"chat"}]`: true, `[7,{"kind":"chat","id":"x"},{"kind":"chat","id":"t"}]`: true,
		`"[{\"id\":\"t\",\"kind\":\"chat\"}]"`: true,
		`[{"id":"t","kind":"doc"}]`:            false, `[{"id":"t"}]`: false, `{"id":"t","kind":"chat"}`: false, `null`: false, `"t"`: false, `"["`: false,
		`[[{"id":"t","kind":"chat"}]]`: false,
	} {
		if got := ListsThread([]byte(`{"id":"p","data":`+data+`}`), "t"); got != want {
			t.Errorf("%s: %v", data, got)
		}
	}
	if ListsThread([]byte(`{"id":"p"}`), "t") {
		t.Error("a project without a list has the thread")
	}
	for before, want := range map[string]string{
		`{"id":"t"}`: `{"id":"t","project_id":"p"}`, `{"project_id":null,"id":"t"}`: `{"project_id":"p","id":"t"}`,
	} {
		got, err := WithProjectID([]byte(before), "p")
		if err != nil || string(got) != want || ProjectID(got) != "p" || ProjectID([]byte(before)) != "" {
			t.Errorf("%s: %s, %v", before, got, err)
		}
	}
}

// FuzzFinish checks that other members of a message stay, and that the result passes validation if the message did.
func FuzzFinish(f *testing.F) {
	f.Add(valid["messages"], `"text"`)
	f.Add(strings.Replace(valid["messages"], "{", `{"data":{"content":"\ud83d","x":[{}]},"pending":true,`, 1), `"\ud83d"`)
	f.Fuzz(func(t *testing.T, payload, content string) {
		op := put(or3cloud.TableMessages, "x", payload)
		if Check(&op) != nil || !jsontext.Value(content).IsValid() || jsontext.Value(content).Kind() != '"' {
			t.Skip()
		}
		out, err := Finish([]byte(payload), []Member{{Name: "pending", Value: jsontext.Value("false")}}, []Member{{Name: "content", Value: jsontext.Value(content)}})
		if err != nil {
			t.Fatal(err)
		}
		finished := put(or3cloud.TableMessages, "x", string(out))
		if p := Check(&finished); p != nil && len(out) < MaxPayload && bytes.Count(out, []byte("[")) < MaxDepth/4 && bytes.Count(out, []byte("{")) < MaxDepth/4 {
			t.Fatalf("%s: %s", out, p.Text)
		}
		var before, after map[string]any
		if json.Unmarshal([]byte(payload), &before) != nil || json.Unmarshal(out, &after) != nil {
			t.Skip() // numbers that Go does not accept
		}
		for name := range before {
			if _, kept := after[name]; !kept {
				t.Errorf("%s is gone from %s", name, out)
			}
		}
		data, _ := after["data"].(map[string]any)
		var want string
		_ = json.Unmarshal([]byte(content), &want)
		if data["content"] != want || after["pending"] != false {
			t.Errorf("%s", out)
		}
	})
}

func TestPlacesOfMessages(t *testing.T) {
	for in, want := range map[string]string{
		`{"thread_id":"t","order_key":"k","index":0}`:                                            "t k 0 true",
		`{"index":-2.5,"thread_id":"t","data":{"index":7,"thread_id":"x"},"order_key":"\u006b"}`: "t k -2.5 true",
		`{"thread_id":1,"order_key":[],"index":"3"}`:                                             "  0 true",
		`{"thread_id":"a","thread_id":"b"}`:                                                      "b  0 true",
		`{}`:                                                                                     "  0 true",
		``:                                                                                       "  0 false",
		`null`:                                                                                   "  0 false",
		`{"thread_id":"t"`:                                                                       "  0 false",
	} {
		thread, order, index, ok := MessagePlace([]byte(in))
		if got := fmt.Sprint(thread, " ", order, " ", index, " ", ok); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}
