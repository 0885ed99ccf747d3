package syncrule

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsonscan"
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
type member struct {
	begin, name, end int
	first            uint64 // the first eight bytes of the name, which tell most names apart
}

// canonical returns a JSON text in a form in which equal values are equal bytes (RFC 8785), or the text itself if it has none.
// What browsers write has nearly that form but for the order of names, so it is copied once and put in order; the rest is
// left to jsontext. The result is good until the next call.
func (f *fingerprinter) canonical(text []byte) []byte {
	if f.reorder(text) {
		return f.out
	}
	v := jsontext.Value(bytes.Clone(text))
	if err := v.Canonicalize(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true)); err != nil {
		return text
	}
	return v
}

// reorder makes the canonical form of a text in which nothing but names is out of order, and reports whether it is one.
func (f *fingerprinter) reorder(text []byte) bool {
	f.out, f.members = append(f.out[:0], text...), f.members[:0]
	s := jsonscan.New(f.out, syncschema.MaxDepth)
	f.value(&s)
	return s.Done() && syncschema.Valid(f.out)
}

// value passes a value and puts the members of its objects in order. Whatever else has another form than the canonical
// one fails the scanner.
func (f *fingerprinter) value(s *jsonscan.Scanner) {
	switch c := s.Next(); {
	case c == '{':
		f.object(s)
	case c == '[':
		for more := s.Open('['); more; more = s.More('[') {
			f.value(s)
		}
	case c == '"':
		if _, form := s.String(); form == jsonscan.Escaped {
			s.Fail()
		}
	default:
		if v := s.Value(); (c == '-' || c >= '0' && c <= '9') && !isShortInteger(v) {
			s.Fail()
		}
	}
}

// object passes an object whose names are ASCII without escapes: their bytes sort as RFC 8785 demands.
func (f *fingerprinter) object(s *jsonscan.Scanner) {
	first, body, sorted := len(f.members), s.At()+1, true
	for more := s.Open('{'); more; more = s.More('{') {
		m := member{begin: s.At()}
		name := s.Name()
		m.name = m.begin + len(name) + 2
		for i, c := range name {
			if c >= utf8.RuneSelf {
				s.Fail()
			}
			if i < 8 {
				m.first |= uint64(c) << (56 - 8*i)
			}
		}
		f.value(s)
		if s.Failed() {
			return
		}
		m.end = s.At()
		if n := len(f.members); sorted && n > first {
			sorted = f.compare(f.members[n-1], m) < 0
		}
		f.members = append(f.members, m)
	}
	if !sorted && !f.sort(f.members[first:], body) {
		s.Fail()
	}
	f.members = f.members[:first]
}

// compare compares the names of two members. A quote is less than what a name may hold but for a space and '!', so the
// quotes are left out.
func (f *fingerprinter) compare(a, b member) int {
	if a.first != b.first {
		return cmp.Compare(a.first, b.first)
	}
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

// maxDigits is the length of an integer up to which it is its own canonical form.
const maxDigits = 15

func isShortInteger(number []byte) bool {
	for _, c := range bytes.TrimPrefix(number, []byte("-")) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(number) <= maxDigits && string(number) != "-0"
}
