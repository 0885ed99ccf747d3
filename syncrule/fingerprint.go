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

// Fingerprint returns 16 bytes that identify an op. Payloads count as equal if they are equal as JSON values, whatever
// the order of their keys (contract, sync §10.3).
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

// fingerprinter holds the buffers for fingerprints.
type fingerprinter struct {
	hash      hash.Hash
	head      []byte
	out       []byte   // the canonical text
	reordered []byte   // the members of one object
	members   []member // of all objects begun so far
}

var fingerprinters = sync.Pool{New: func() any { return &fingerprinter{hash: sha256.New()} }}

// maxKept is the largest size of a buffer that is kept for the next op.
const maxKept = 64 << 10

func (f *fingerprinter) release() {
	if cap(f.out) <= maxKept && cap(f.reordered) <= maxKept && cap(f.members) <= maxKept/16 {
		fingerprinters.Put(f)
	}
}

// member is a member of an object in the canonical text, given by the positions of its start, its end and its name.
type member struct {
	begin, name, end int
	first            uint64 // the first eight bytes of the name, which are enough to compare most names
}

// canonical returns a JSON text in a form in which equal values have equal bytes (RFC 8785), or the text itself if it
// has none. Apart from the order of names, browsers write nearly this form. So canonical copies such a text once and
// sorts it, and leaves anything else to jsontext. The result is valid until the next call.
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

// reorder makes the canonical form of a text that needs only its names sorted, and reports whether the text is such.
func (f *fingerprinter) reorder(text []byte) bool {
	f.out, f.members = append(f.out[:0], text...), f.members[:0]
	s := jsonscan.New(f.out, syncschema.MaxDepth)
	f.value(&s)
	return s.Done() && syncschema.Valid(f.out)
}

// value passes a value and sorts the members of its objects. Anything else that is not in canonical form fails the
// scanner.
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

// object passes an object whose names are ASCII without escapes, so that their bytes sort as RFC 8785 demands.
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

// compare compares the names of two members, without their quotes: a quote sorts before anything that a name may
// contain except a space and '!'.
func (f *fingerprinter) compare(a, b member) int {
	if a.first != b.first {
		return cmp.Compare(a.first, b.first)
	}
	return bytes.Compare(f.out[a.begin+1:a.name-1], f.out[b.begin+1:b.name-1])
}

// sort sorts the members of an object, which begin at body. It gives up if two have the same name.
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

// maxDigits is the largest number of digits up to which an integer is its own canonical form.
const maxDigits = 15

func isShortInteger(number []byte) bool {
	for _, c := range bytes.TrimPrefix(number, []byte("-")) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(number) <= maxDigits && string(number) != "-0"
}
