package syncrule

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"math/bits"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Fingerprint returns 16 bytes that tell an op from all others. Payloads are the same if they are the same as JSON
// values, whatever the order of their keys (contract, sync §10.3).
func Fingerprint(op *or3cloud.Op) []byte {
	f := fingerprinters.Get().(*fingerprinter)
	defer f.release()
	payload := f.canonical(op.Payload)
	f.head = appendSized(f.head[:0], op.Table)
	f.head = appendSized(f.head, string(op.Operation))
	f.head = appendSized(f.head, op.PK)
	f.head = appendSized(f.head, op.Stamp.DeviceID)
	f.head = appendSized(f.head, op.Stamp.HLC)
	var digits [20]byte
	f.head = appendSized(f.head, string(strconv.AppendInt(digits[:0], op.Stamp.Clock, 10)))
	f.head = binary.AppendUvarint(f.head, uint64(len(payload)))
	f.hash.Reset()
	f.hash.Write(f.head)
	f.hash.Write(payload)
	return f.hash.Sum(nil)[:16]
}

func appendSized(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// fingerprinter has the buffers of a fingerprint.
type fingerprinter struct {
	hash      hash.Hash
	head      []byte
	out       []byte   // the canonical text
	reordered []byte   // the members of one object
	members   []member // of all objects that have begun
}

var fingerprinters = sync.Pool{New: func() any { return &fingerprinter{hash: sha256.New()} }}

// maxKept is how large a buffer may be to be kept for the next op.
const maxKept = 64 << 10

func (f *fingerprinter) release() {
	if cap(f.out) <= maxKept && cap(f.reordered) <= maxKept && cap(f.members) <= maxKept/16 {
		fingerprinters.Put(f)
	}
}

// member is a member of an object in the canonical text: where it begins and ends, and where its name does.
type member struct{ begin, name, end int }

// canonical returns a JSON text in a form in which equal values are equal bytes (RFC 8785), or the text itself if it has none.
// What browsers write is nearly that form but for the order of names, so it is copied once; the rest is left to jsontext.
// The result is good until the next call.
func (f *fingerprinter) canonical(text []byte) []byte {
	f.out, f.members = f.out[:0], f.members[:0]
	if rest, ok := f.value(text, 0); ok && len(skipSpace(rest)) == 0 {
		if valid, _ := syncschema.Survey(f.out); valid {
			return f.out
		}
	}
	v := jsontext.Value(bytes.Clone(text))
	if err := v.Canonicalize(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return text
	}
	return v
}

// value appends the canonical form of the value that a text begins with, and returns what follows. It gives up on whatever
// is not plain.
func (f *fingerprinter) value(text []byte, depth int) (rest []byte, ok bool) {
	text = skipSpace(text)
	if len(text) == 0 || depth > syncschema.MaxDepth {
		return nil, false
	}
	switch c := text[0]; {
	case c == '{':
		return f.object(text[1:], depth)
	case c == '[':
		return f.array(text[1:], depth)
	case c == '"':
		return f.string(text)
	case c == '-' || c >= '0' && c <= '9':
		return f.integer(text)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if rest, ok := bytes.CutPrefix(text, []byte(word)); ok {
			f.out = append(f.out, word...)
			return rest, true
		}
	}
	return nil, false
}

func (f *fingerprinter) array(text []byte, depth int) (rest []byte, ok bool) {
	f.out = append(f.out, '[')
	if text = skipSpace(text); len(text) > 0 && text[0] == ']' {
		f.out = append(f.out, ']')
		return text[1:], true
	}
	for {
		if text, ok = f.value(text, depth+1); !ok {
			return nil, false
		}
		if text = skipSpace(text); len(text) == 0 || text[0] != ',' && text[0] != ']' {
			return nil, false
		}
		c := text[0]
		f.out, text = append(f.out, c), text[1:]
		if c == ']' {
			return text, true
		}
	}
}

// object appends an object whose names are ASCII without escapes: their bytes sort as RFC 8785 demands.
func (f *fingerprinter) object(text []byte, depth int) (rest []byte, ok bool) {
	f.out = append(f.out, '{')
	if text = skipSpace(text); len(text) > 0 && text[0] == '}' {
		f.out = append(f.out, '}')
		return text[1:], true
	}
	first, body, sorted := len(f.members), len(f.out), true
	for {
		m := member{begin: len(f.out)}
		if text = skipSpace(text); len(text) == 0 || text[0] != '"' {
			return nil, false
		}
		if text, ok = f.string(text); !ok {
			return nil, false
		}
		m.name = len(f.out)
		for _, c := range f.out[m.begin:m.name] {
			if c >= utf8.RuneSelf || c == '\\' {
				return nil, false
			}
		}
		if text = skipSpace(text); len(text) == 0 || text[0] != ':' {
			return nil, false
		}
		f.out = append(f.out, ':')
		if text, ok = f.value(text[1:], depth+1); !ok {
			return nil, false
		}
		m.end = len(f.out)
		if n := len(f.members); sorted && n > first {
			sorted = f.compare(f.members[n-1], m) < 0
		}
		f.members = append(f.members, m)
		if text = skipSpace(text); len(text) == 0 || text[0] != ',' && text[0] != '}' {
			return nil, false
		}
		c := text[0]
		f.out, text = append(f.out, c), text[1:]
		if c == '}' {
			break
		}
	}
	if !sorted && !f.sort(f.members[first:], body) {
		return nil, false
	}
	f.members = f.members[:first]
	return text, true
}

// compare compares the names of two members. A quote is less than what a name may hold but for a space and '!', so the
// quotes are left out.
func (f *fingerprinter) compare(a, b member) int {
	return bytes.Compare(f.out[a.begin+1:a.name-1], f.out[b.begin+1:b.name-1])
}

// sort puts the members of an object, which begin at body, in order. It gives up if two have one name.
func (f *fingerprinter) sort(members []member, body int) bool {
	slices.SortFunc(members, f.compare)
	f.reordered = f.reordered[:0]
	for i, m := range members {
		if i > 0 {
			if f.compare(members[i-1], m) == 0 {
				return false
			}
			f.reordered = append(f.reordered, ',')
		}
		f.reordered = append(f.reordered, f.out[m.begin:m.end]...)
	}
	copy(f.out[body:], f.reordered)
	return true
}

// string appends a string whose escapes, if it has any, are the short ones that have no other form.
func (f *fingerprinter) string(text []byte) (rest []byte, ok bool) {
	for i := 1; ; {
		i = special(text, i)
		switch {
		case i >= len(text) || text[i] < ' ':
			return nil, false
		case text[i] == '"':
			f.out = append(f.out, text[:i+1]...)
			return text[i+1:], true
		case i+1 == len(text) || bytes.IndexByte([]byte(`"\bfnrt`), text[i+1]) < 0:
			return nil, false
		}
		i += 2
	}
}

// special returns the place of the first quote, backslash or control character from i on, or the length of the text.
func special(text []byte, i int) int {
	const lows, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := w^'"'*lows, w^'\\'*lows
		// A byte's high bit is set where the byte is 0, or less than a space; the first one that is set is exact.
		if m := ((quote-lows)&^quote | (backslash-lows)&^backslash | (w-' '*lows)&^w) & highs; m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	for ; i < len(text); i++ {
		if c := text[i]; c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(text)
}

// maxDigits is the length of an integer up to which it is its own canonical form.
const maxDigits = 15

func (f *fingerprinter) integer(text []byte) (rest []byte, ok bool) {
	n := 0
	for n < len(text) && (text[n] == '-' || text[n] == '+' || text[n] == '.' || text[n]|0x20 == 'e' || text[n] >= '0' && text[n] <= '9') {
		n++
	}
	digits := bytes.TrimPrefix(text[:n], []byte("-"))
	if n > maxDigits || len(digits) == 0 || digits[0] == '0' && n > 1 {
		return nil, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return nil, false
		}
	}
	f.out = append(f.out, text[:n]...)
	return text[n:], true
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}
