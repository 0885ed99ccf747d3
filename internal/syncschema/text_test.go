package syncschema

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// checkText compares Valid and Openings with the standard library.
func checkText(t *testing.T, b []byte) {
	t.Helper()
	valid, openings := Valid(b), Openings(b)
	if valid != utf8.Valid(b) {
		t.Errorf("%q: valid is %t", b, valid)
	}
	if least := bytes.Count(b, []byte("{")) + bytes.Count(b, []byte("[")); openings < least {
		t.Errorf("%q: %d openings, it has %d", b, openings, least)
	}
}

// Every sequence of bytes at the limits of UTF-8's ranges must be judged as the standard library does, wherever it
// begins.
func TestValidAgreesWithTheStandardLibrary(t *testing.T) {
	limits := []byte("\x00a[{\x7f\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xdf\xe0\xe1\xec\xed\xee\xef\xf0\xf1\xf3\xf4\xf5\xff")
	for _, before := range []int{0, 3, 6, 7} {
		text := []byte(strings.Repeat("{", before) + "....." + "[[[[[[[[")
		for _, a := range limits {
			for _, b := range limits {
				for _, c := range limits {
					for _, d := range limits {
						copy(text[before:], []byte{a, b, c, d})
						checkText(t, text)
						checkText(t, text[:before+4])
					}
				}
			}
		}
	}
	for r := rune(0); r <= utf8.MaxRune; r += 7 {
		checkText(t, []byte("{\"a\":\"\u00e4"+string(r)+"\"}"))
	}
}

func FuzzValid(f *testing.F) {
	f.Add([]byte(`{"a":"\u00e4 ä € 𝄞","b":[{}]}`))
	f.Add([]byte("[\xed\xa0\x80]"))
	f.Fuzz(checkText)
}
