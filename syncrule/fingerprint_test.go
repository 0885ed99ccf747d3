package syncrule

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/syncwire"
)

// canonicalOf returns the form on which all stored fingerprints are based.
func canonicalOf(text []byte) []byte {
	v := jsontext.Value(bytes.Clone(text))
	if err := v.Canonicalize(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return text
	}
	return v
}

func checkCanonical(t *testing.T, text []byte) {
	t.Helper()
	sent := bytes.Clone(text)
	if got, want := new(fingerprinter).canonical(text), canonicalOf(text); !bytes.Equal(got, want) {
		t.Errorf("%q became %q, want %q", text, got, want)
	}
	if !bytes.Equal(text, sent) {
		t.Errorf("%q was changed", sent)
	}
}

// corpus returns the recorded push bodies of real clients.
func corpus(t *testing.T) [][]byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash("../testdata/captured/push-corpus.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// odd are edge cases of the copying.
var odd = []string{
	``, ` `, `null`, ` true `, `falsey`, `nul`, `[]`, `[ ]`, `[1,]`, `[,1]`, `{}`, `{ }`, `{,}`, `{"a":1,}`, `{"a" 1}`, `{"a":}`, `{1:2}`, `{"a":1`, `[1`, `[1 2]`,
	`0`, `-0`, `-1`, `01`, `-`, `--1`, `1-2`, `1.0`, `1e3`, `1E+3`, `+1`, `123456789012345`, `-12345678901234`, `-123456789012345`, `1234567890123456`, `9007199254740993`,
	`"`, `"a`, `"\`, `"\"`, `"\\"`, `"\/"`, `"\u0041"`, `"\ud800"`, `"\n\t\r\b\f\""`, `"\x"`, "\"\n\"", "\"\x7f\"", "\"\xff\"", "\"ä€𝄞\"", `"12345678"`, "\"1234567\x01\"", `"!!!!!!!\""`,
	`{"b":1,"a":2}`, `{"a":1,"b":2}`, `{"a":1,"a":2}`, `{"b":1,"a":2,"b":3}`, `{"a":{"d":[{"f":1,"e":2}],"c":3},"":4}`, `{"ab":1,"a":2,"a!":3,"a ":4}`, `{"ä":1,"a":2}`, `{"\u0062":1,"a":2}`,
	`{ "b" : [ 1 , 2 ] , "a" : "x" }` + "\n", `{"b":1,"a":2} x`, `{"a":[{"b":1},{"b":1}]}`,
	strings.Repeat(`[`, 200) + strings.Repeat(`]`, 200), strings.Repeat(`{"a":`, 99) + `1` + strings.Repeat(`}`, 99),
}

// Stored fingerprints are compared with new ones, so the canonical form of a text must never change.
func TestCanonicalFormIsThatOfStoredFingerprints(t *testing.T) {
	for _, text := range odd {
		checkCanonical(t, []byte(text))
	}
	plain := 0
	var f fingerprinter
	for _, body := range corpus(t) {
		in, err := syncwire.DecodePush(body)
		if err != nil {
			t.Fatal(err)
		}
		for i := range in.Ops {
			checkCanonical(t, in.Ops[i].Payload)
			if f.reorder(in.Ops[i].Payload) {
				plain++
			}
			f = fingerprinter{}
		}
	}
	if plain < 2000 {
		t.Errorf("only %d recorded payloads were copied", plain)
	}
	op := or3cloud.Op{
		Table: "kv", Operation: "put", PK: "kv:a", Payload: []byte(`{"name":"a","id":"kv:a","x":[1,{"c":null,"b":"ä\n"}]}`),
		Stamp: or3cloud.Stamp{DeviceID: "d", HLC: "h", Clock: 7},
	}
	const want = "d697286adf402aa6ad99800dddba6013"
	if got := hex.EncodeToString(Fingerprint(&op)); got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func FuzzCanonicalForm(f *testing.F) {
	for _, text := range odd {
		f.Add([]byte(text))
	}
	f.Fuzz(checkCanonical)
}
