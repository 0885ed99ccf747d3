package syncschema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsonscan"
	"or3.chat/cloud/internal/recorded"
)

const opID = "0f0e3c52-6a50-4b5e-8f3e-1f5f6a7b8c9d"

func put(table, pk, payload string) or3cloud.Op {
	return or3cloud.Op{
		Table: table, Operation: or3cloud.OpPut, PK: pk, Payload: []byte(payload),
		Stamp: or3cloud.Stamp{DeviceID: "1a2b3c4d", OpID: opID, HLC: "0mll3o9og:000:1a2b3c4d", Clock: 2},
	}
}

const times = `"created_at":1771000000,"updated_at":1771000000,"clock":1`

// valid has a valid payload for each table.
var valid = map[string]string{
	"threads":       `{"id":"x","status":"ready","deleted":false,"pinned":false,"title":null,` + times + `}`,
	"messages":      `{"id":"x","thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false,` + times + `}`,
	"projects":      `{"id":"x","name":"n","deleted":false,` + times + `}`,
	"posts":         `{"id":"x","title":"","content":"","post_type":"doc","deleted":false,` + times + `}`,
	"file_meta":     `{"hash":"x","deleted":false,"kind":"image","mime_type":"image/png","size_bytes":3,` + times + `}`,
	"kv":            `{"id":"x","name":"n",` + times + `}`,
	"notifications": `{"id":"x","user_id":"u","type":"t","title":"","deleted":false,"actions":[],` + times + `}`,
}

func TestPayloads(t *testing.T) {
	for table, payload := range valid {
		op := put(table, "x", payload)
		if p := Check(&op); p != nil {
			t.Errorf("%s: valid payload refused: %s", table, p.Text)
		}
	}
	bad := []struct{ table, payload, want string }{
		{"threads", strings.Replace(valid["threads"], `"ready"`, `5`, 1), "status: expected string"},
		{"threads", strings.Replace(valid["threads"], `"pinned":false,`, ``, 1), "pinned: required"},
		{"threads", strings.Replace(valid["threads"], `null`, `{}`, 1), "title: expected string"},
		{"threads", strings.Replace(valid["threads"], `"title":null`, `"branch_mode":"weird"`, 1), "branch_mode: expected one of"},
		{"messages", strings.Replace(valid["messages"], `"index":0`, `"index":"0"`, 1), "index: expected number"},
		{"messages", strings.Replace(valid["messages"], `"index":0`, `"index":1e999`, 1), "finite"},
		{"notifications", strings.Replace(valid["notifications"], `[]`, `null`, 1), "actions: expected array"},
		{"notifications", strings.Replace(valid["notifications"], `"actions":[]`, `"read_at":null`, 1), "read_at: expected number"},
		{"file_meta", strings.Replace(valid["file_meta"], `"image/png"`, `null`, 1), "mime_type: expected string"},
		{"kv", strings.Replace(valid["kv"], `"x"`, `"y"`, 1), "id must equal pk"},
		{"kv", `[]`, "expected an object"},
		{"kv", `"text"`, "expected an object"},
		{"kv", ``, "id: required"},
		{"users", valid["kv"], "Unknown table: users"},
	}
	for _, c := range bad {
		op := put(c.table, "x", c.payload)
		p := Check(&op)
		if p == nil || p.Code != or3cloud.OpErrorValidation || !strings.Contains(p.Text, c.want) {
			t.Errorf("%s %s: got %+v, want a text with %q", c.table, c.payload, p, c.want)
		}
	}
}

// TestOddButHonest guards sync Pitfalls 8 and 9: kv rows need not say whether they are deleted, and old threads have
// milliseconds instead of seconds.
func TestOddButHonest(t *testing.T) {
	for table, payload := range map[string]string{
		"kv":      `{"id":"x","name":"n","value":null,` + times + `}`,
		"threads": strings.ReplaceAll(valid["threads"], "1771000000", "1771000000123.5"),
	} {
		op := put(table, "x", payload)
		if p := Check(&op); p != nil {
			t.Errorf("%s: %s", table, p.Text)
		}
	}
}

func TestStampAndEnvelope(t *testing.T) {
	for name, change := range map[string]func(*or3cloud.Op){
		"op id is not a UUID":        func(o *or3cloud.Op) { o.Stamp.OpID = "server:notif:" + opID },
		"op id of version 9":         func(o *or3cloud.Op) { o.Stamp.OpID = "0f0e3c52-6a50-9b5e-8f3e-1f5f6a7b8c9d" },
		"empty hlc":                  func(o *or3cloud.Op) { o.Stamp.HLC = "" },
		"long hlc":                   func(o *or3cloud.Op) { o.Stamp.HLC = strings.Repeat("x", 513) },
		"blank device":               func(o *or3cloud.Op) { o.Stamp.DeviceID = " " },
		"negative clock":             func(o *or3cloud.Op) { o.Stamp.Clock = -1 },
		"clock beyond safe integers": func(o *or3cloud.Op) { o.Stamp.Clock = or3cloud.MaxSafeInteger + 1 },
		"empty pk":                   func(o *or3cloud.Op) { o.PK = "" },
		"broken pk":                  func(o *or3cloud.Op) { o.PK = "a\uFFFD" },
		"long pk":                    func(o *or3cloud.Op) { o.PK = strings.Repeat("😀", 513) },
		"unknown operation":          func(o *or3cloud.Op) { o.Operation = "merge" },
		"delete with a list":         func(o *or3cloud.Op) { o.Operation = or3cloud.OpDelete; o.Payload = []byte("[]") },
	} {
		op := put("kv", "x", valid["kv"])
		change(&op)
		if p := Check(&op); p == nil || p.Code != or3cloud.OpErrorValidation {
			t.Errorf("%s: got %+v", name, p)
		}
	}
	// Clocks are Unix seconds for some rows and may be any safe integer (contract, sync §3, Pitfall 4).
	op := put("kv", "x", valid["kv"])
	op.Stamp.Clock = or3cloud.MaxSafeInteger
	if p := Check(&op); p != nil {
		t.Errorf("largest clock: %+v", p)
	}
	op.Payload = append([]byte(`{"x":"`+strings.Repeat("y", MaxPayload)+`",`), valid["kv"][1:]...)
	if p := Check(&op); p == nil || p.Code != or3cloud.OpErrorOversized {
		t.Errorf("oversized payload: %+v", p)
	}
	for _, payload := range []string{"", "null", `{"id":"x","deleted":true,"deleted_at":1}`} {
		op := put("kv", "x", payload)
		op.Operation = or3cloud.OpDelete
		if p := Check(&op); p != nil || !op.Facts.Deleted || (len(payload) < 5) != (op.Payload == nil) {
			t.Errorf("delete with payload %q: %+v, %+v", payload, p, op)
		}
	}
}

func TestFacts(t *testing.T) {
	h := "0123456789abcdef0123456789abcdef"
	cases := []struct {
		op   or3cloud.Op
		want or3cloud.PayloadFacts
	}{
		{put("kv", "x", strings.Replace(valid["kv"], `{`, `{"deleted":true,`, 1)), or3cloud.PayloadFacts{Deleted: true, Name: "n"}},
		{put("kv", "x", strings.Replace(valid["kv"], `{`, `{"deleted":1,"name":"first",`, 1)), or3cloud.PayloadFacts{Name: "n"}},
		{put("notifications", "x", valid["notifications"]), or3cloud.PayloadFacts{UserID: "u"}},
		{
			put("messages", "x", strings.Replace(valid["messages"], `{`, `{"file_hashes":"[\"sha256:`+strings.ToUpper(h)+`\",7,\"md5:`+h+`\",\"`+h+`1\"]",`, 1)),
			or3cloud.PayloadFacts{FileHashes: []string{h, h + "1"}},
		},
		{put("posts", "x", strings.Replace(valid["posts"], `{`, `{"file_hashes":"not a list",`, 1)), or3cloud.PayloadFacts{}},
		{
			put("file_meta", "x", strings.Replace(valid["file_meta"], `{`, `{"storage_id":"s","name":"a.png",`, 1)),
			or3cloud.PayloadFacts{File: or3cloud.FileFacts{StorageID: "s", MIMEType: "image/png", Name: "a.png", Kind: "image", SizeBytes: 3, UpdatedAt: 1771000000}},
		},
		{put("posts", "x", strings.Replace(valid["posts"], `"doc"`, `"or3:file"`, 1)), or3cloud.PayloadFacts{WorkspaceItem: true}},
		{put("posts", "x", strings.Replace(valid["posts"], `{`, `{"meta":"{\"or3.workspace-item\":1}",`, 1)), or3cloud.PayloadFacts{WorkspaceItem: true}},
		{put("projects", "x", strings.Replace(valid["projects"], `{`, `{"data":[{"id":"a","kind":"chat"}],`, 1)), or3cloud.PayloadFacts{}},
		{put("projects", "x", strings.Replace(valid["projects"], `{`, `{"data":[{"id":"a","kind": "file"}],`, 1)), or3cloud.PayloadFacts{WorkspaceItem: true}},
		{put("projects", "x", strings.Replace(valid["projects"], `{`, `{"data":"[{\"kind\":\"file\"}]",`, 1)), or3cloud.PayloadFacts{WorkspaceItem: true}},
	}
	for _, c := range cases {
		if p := Check(&c.op); p != nil {
			t.Fatalf("%s: %s", c.op.Payload, p.Text)
		}
		if diff := cmp.Diff(c.want, c.op.Facts); diff != "" {
			t.Errorf("%s: %s", c.op.Payload, diff)
		}
	}
}

func TestWithUserID(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":1, "user_id" : "local-user" ,"b":"\ud83d"}`:       `{"a":1, "user_id" : "me\"" ,"b":"\ud83d"}`,
		`{"user_id":"x","n":{"user_id":"x"},"user_id":"again"}`: `{"user_id":"me\"","n":{"user_id":"x"},"user_id":"me\""}`,
		`{"a":1}`: `{"a":1}`,
	} {
		got, err := WithUserID([]byte(in), `me"`)
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, %v; want %s", in, got, err, want)
		}
	}
}

// TestLoneSurrogates guards sync Pitfall 17: clients cut strings at UTF-16 units.
func TestLoneSurrogates(t *testing.T) {
	payload := strings.Replace(valid["posts"], `"title":""`, `"title":"cut \ud83d"`, 1)
	op := put("posts", "x", payload)
	if p := Check(&op); p != nil {
		t.Fatal(p.Text)
	}
	if string(op.Payload) != payload {
		t.Fatalf("payload changed: %s", op.Payload)
	}
}

// TestCorpus checks that everything that the real client was recorded pushing is accepted.
func TestCorpus(t *testing.T) {
	ops := recorded.Ops(t)
	for _, op := range ops {
		if p := Check(&op); p != nil {
			t.Errorf("%s %s: %s", op.Table, op.PK, p.Text)
		}
	}
	if n := len(ops); n != 3327 {
		t.Errorf("%d ops, want 3327", n)
	}
}

func FuzzCheck(f *testing.F) {
	for table, payload := range valid {
		f.Add(table, "put", "x", payload)
	}
	f.Add("kv", "delete", "x", `null`)
	f.Fuzz(func(t *testing.T, table, operation, pk, payload string) {
		if payload != "" && !json.Valid([]byte(payload)) {
			t.Skip() // the envelope's decoder has handled that
		}
		op := put(table, pk, payload)
		op.Operation = or3cloud.Operation(operation)
		before := string(op.Payload)
		if Check(&op) == nil && op.Payload != nil && string(op.Payload) != before {
			t.Fatalf("payload changed from %q to %q", before, op.Payload)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	payload := strings.Replace(valid["messages"], `{`, fmt.Sprintf(`{"data":{"content":%q},`, strings.Repeat("word ", 300)), 1)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		op := put("messages", "x", payload)
		if p := Check(&op); p != nil {
			b.Fatal(p.Text)
		}
	}
}

// nested returns a valid kv payload with n arrays and objects open at its deepest place.
func nested(n int) string {
	return `{"value":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `,` + valid["kv"][1:]
}

func TestDepth(t *testing.T) {
	brackets := strings.Repeat(`{[\\\"`, 2000)
	for payload, fits := range map[string]bool{
		nested(20): true, nested(MaxDepth): true, nested(MaxDepth + 1): false, nested(3000): false, nested(20_000): false,
		strings.Replace(valid["kv"], `"n"`, `"`+brackets+`"`, 1):                                            true,
		`{"value":[` + strings.Repeat(`{"a":[]},`, 500) + `1],` + valid["kv"][1:]:                           true,
		`{"value":` + strings.Repeat(`{"a":`, 200) + `1` + strings.Repeat("}", 200) + `,` + valid["kv"][1:]: false,
	} {
		for _, operation := range []or3cloud.Operation{or3cloud.OpPut, or3cloud.OpDelete} {
			op := put("kv", "x", payload)
			op.Operation = operation
			if p := Check(&op); (p == nil) != fits || p != nil && p.Code != or3cloud.OpErrorValidation {
				t.Errorf("%s of %.40s…: %+v, want fit %t", operation, payload, p, fits)
			}
		}
	}
}

func TestInvalidUTF8(t *testing.T) {
	for _, bad := range []string{"\xff", "\xc3", "\xed\xa0\xbd", "\xf4\x90\x80\x80", "\xc0\xaf"} {
		for name, change := range map[string]func(*or3cloud.Op){
			"payload":        func(o *or3cloud.Op) { o.Payload = []byte(strings.Replace(valid["kv"], `"n"`, `"n`+bad+`"`, 1)) },
			"name in it":     func(o *or3cloud.Op) { o.Payload = []byte(`{"a` + bad + `":1,` + valid["kv"][1:]) },
			"pk":             func(o *or3cloud.Op) { o.PK = "a" + bad },
			"hlc":            func(o *or3cloud.Op) { o.Stamp.HLC += bad },
			"device":         func(o *or3cloud.Op) { o.Stamp.DeviceID += bad },
			"op id":          func(o *or3cloud.Op) { o.Stamp.OpID = o.Stamp.OpID[:35] + bad[:1] },
			"table":          func(o *or3cloud.Op) { o.Table += bad },
			"operation":      func(o *or3cloud.Op) { o.Operation = or3cloud.Operation("put" + bad) },
			"delete payload": func(o *or3cloud.Op) { o.Operation, o.Payload = or3cloud.OpDelete, []byte(`{"a":"`+bad+`"}`) },
		} {
			op := put("kv", "x", valid["kv"])
			change(&op)
			if p := Check(&op); p == nil || p.Code != or3cloud.OpErrorValidation {
				t.Errorf("%q in the %s: %+v", bad, name, p)
			}
		}
	}
	for _, good := range []string{`\ud83d`, `\uDE00\ud83d`, "😀", "�", `\u0000`} {
		op := put("kv", "x", strings.Replace(valid["kv"], `"n"`, `"n`+good+`"`, 1))
		if p := Check(&op); p != nil {
			t.Errorf("%s: %+v", good, p)
		}
	}
}

// FuzzUnfit compares the depth with that of a JSON decoder.
func FuzzUnfit(f *testing.F) {
	f.Add([]byte(nested(MaxDepth)))
	f.Add([]byte(nested(MaxDepth + 1)))
	f.Add([]byte(`{"a":"[[[\\\"[[[","b":[{}]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		d := jsontext.NewDecoder(bytes.NewReader(payload), jsontext.AllowDuplicateNames(true))
		depth := 0
		for {
			if _, err := d.ReadToken(); err == io.EOF {
				break
			} else if err != nil {
				return // not JSON, not UTF-8, or a lone surrogate, which only the lenient decoder accepts
			}
			depth = max(depth, d.StackDepth())
		}
		if fits := Unfit(payload) == ""; fits != (depth <= MaxDepth) {
			t.Errorf("%q: fit %t at a depth of %d", payload, fits, depth)
		}
	})
}

func TestReferencesAreBounded(t *testing.T) {
	list := func(n int) string {
		var hashes []string
		for i := range n {
			hashes = append(hashes, fmt.Sprintf(`\"%032x\"`, i))
		}
		return strings.Replace(valid["messages"], `{`, `{"file_hashes":"[`+strings.Join(hashes, ",")+`]",`, 1)
	}
	for n, fits := range map[int]bool{maxReferences: true, maxReferences + 1: false, 50_000: false} {
		op := put("messages", "x", list(n))
		if p := Check(&op); (p == nil) != fits {
			t.Errorf("%d references: %+v", n, p)
		}
	}
	if got := FileHashes(`["` + strings.Repeat("a", maxDigest+1) + `","b"]`); len(got) != 1 || got[0] != "b" {
		t.Errorf("a text that is too long for a digest was kept: %.20q", got)
	}
}

// checkFind compares the scanner's pass over a payload with the general decoder, and reports whether the scanner
// accepted it.
func checkFind(t *testing.T, payload []byte, want []string) bool {
	t.Helper()
	s := jsonscan.New(payload, MaxDepth)
	got := find(&s, want)
	if !s.Done() {
		return false
	}
	decoded, err := scan(payload, want)
	if err != nil {
		t.Fatalf("%s: taken, although %v", payload, err)
	}
	if Unfit(payload) != "" && Valid(payload) {
		t.Errorf("%s: taken, although it is unfit", payload)
	}
	if !reflect.DeepEqual(got, decoded) {
		t.Errorf("%s: %v, want %v", payload, got.places, decoded.places)
	}
	return true
}

// The scanner must accept everything that clients were recorded sending.
func TestFindInTheRecordedPayloads(t *testing.T) {
	for _, op := range recorded.Ops(t) {
		if len(op.Payload) > 0 && string(op.Payload) != "null" && !checkFind(t, op.Payload, interesting[op.Table]) {
			t.Errorf("left to the decoder: %s", op.Payload)
		}
	}
}

func FuzzFind(f *testing.F) {
	for table, payload := range valid {
		f.Add(table, []byte(payload))
	}
	for _, payload := range []string{
		`{"id":1,"id":{"id":2},"name":[{}]}`, `{"i\u0064":1}`, `{"x":{"n\u0061me":"\ud83d"},"name":"\/\u0041"}`, `{"id" : 1}`, `[]`, `{}`, `{"id":1}x`, `{"name":"ä","":0}`,
	} {
		f.Add("kv", []byte(payload))
	}
	f.Fuzz(func(t *testing.T, table string, payload []byte) { checkFind(t, payload, interesting[table]) })
}
