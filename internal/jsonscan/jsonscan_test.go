package jsonscan

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"or3.chat/cloud/internal/recorded"
)

// levels is the depth of nesting allowed in these tests.
const levels = 20

var options = []jsontext.Options{jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)}

// depth returns the largest number of objects and arrays open at once in a valid text.
func depth(text []byte) (most int) {
	d := jsontext.NewDecoder(bytes.NewReader(text), options...)
	for {
		if _, err := d.ReadToken(); err != nil {
			return most
		}
		most = max(most, d.StackDepth())
	}
}

// checkValue checks that a value is accepted if and only if it is JSON without white space and not nested too deep.
func checkValue(t *testing.T, text []byte) {
	t.Helper()
	compact := jsontext.Value(bytes.Clone(text))
	want := compact.IsValid(options...) && compact.Compact(options...) == nil && bytes.Equal(compact, text) && depth(text) <= levels
	s := New(text, levels)
	if got := s.Value(); s.Done() != want || want && !bytes.Equal(got, text) {
		t.Errorf("%.300q: passed is %t, want %t", text, s.Done(), want)
	}
}

var texts = []string{
	``, `null`, `nul`, `nulll`, `true`, `tru`, `false`, `falsy`, ` 1`, `1 `, "1\n", `[ ]`, `{"a" :1}`, `{"a": 1}`, `[1, 2]`,
	`0`, `-0`, `-`, `00`, `01`, `-01`, `10`, `1.`, `1.0`, `.5`, `-1.25e+10`, `1e`, `1e+`, `1E-7`, `1e5.0`, `+1`, `0x1`, `1_0`, `123456789012345678901234567890`,
	`""`, `"`, `"a`, `"\`, `"\"`, `"\\"`, `"\/\b\f\n\r\t\""`, `"\x"`, `"\u"`, `"\u12"`, `"\u12G4"`, `"\uABcd"`, `"\ud83d"`, `"\ud83d\ude00"`, `"\ude00\ud83d"`, `"\u0000"`,
	"\"\x00\"", "\"\x1f\"", "\" \"", "\"\x7f\"", "\"\xff\"", "\"ä€𝄞\"", `"1234567"`, `"12345678"`, "\"1234567\n\"", `"123456\n"`, `"1234567\n12345678"`,
	`[]`, `[[]]`, `[1,2]`, `[1,]`, `[,1]`, `[1 2]`, `[1`, `]`, `{}`, `{"a":1}`, `{"a":1,"a":2}`, `{"a":1,}`, `{,}`, `{"a"}`, `{"a":}`, `{1:2}`, `{"a":1`, `{"\u0061":[{}]}`, `[}`, `{]`, `{"a":1]`, `[1}`,
	strings.Repeat("[", levels) + strings.Repeat("]", levels), strings.Repeat("[", levels+1) + strings.Repeat("]", levels+1),
	strings.Repeat(`{"a":`, levels) + `1` + strings.Repeat("}", levels), strings.Repeat(`{"a":`, levels) + `{}` + strings.Repeat("}", levels),
	`[` + strings.Repeat(`[[]],`, 100) + `{}]`, strings.Repeat("[", 1_000_000),
}

func TestValue(t *testing.T) {
	for _, text := range texts {
		checkValue(t, []byte(text))
	}
	for _, body := range recorded.Pushes(t) {
		checkValue(t, body)
	}
}

func FuzzValue(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text[:min(len(text), 1000)]))
	}
	f.Fuzz(checkValue)
}

func TestForms(t *testing.T) {
	for text, want := range map[string]Form{
		`""`: Plain, `"a/ä"`: Plain, `"\n\"\\\b\f\r\t"`: Short, `"\/"`: Escaped, `"\u0041"`: Escaped, `"\u0041\n"`: Escaped, `"\n\u0041"`: Escaped,
	} {
		s := New([]byte(text), 0)
		if got, form := s.String(); form != want || string(got) != text || !s.Done() {
			t.Errorf("%s: %q, form %d, want %d", text, got, form, want)
		}
	}
}

// A scanner that has failed stays failed, whatever it is asked for.
func TestFailed(t *testing.T) {
	s := New([]byte(`{"a":1}`), levels)
	s.Fail()
	for more := s.Open('{'); more; more = s.More('{') {
		t.Error("there is more")
	}
	if name, value := s.Name(), s.Value(); name != nil || len(value) != 0 || s.Next() != 0 || s.Left() != 0 || !s.Failed() || s.Done() {
		t.Errorf("%q, %q", name, value)
	}
	for _, text := range []string{`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"\u0061":1}`} {
		s := New([]byte(text), levels)
		for more := s.Open('{'); more; more = s.More('{') {
			s.Name()
			s.Value()
		}
		if !s.Failed() || s.Done() {
			t.Errorf("%s passed", text)
		}
	}
}
