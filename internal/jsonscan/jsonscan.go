// Package jsonscan passes over JSON as browsers write it (JSON.stringify): no white space, nothing nested very deep. It
// looks at each byte once and copies none. All that it takes is JSON (RFC 8259), but not all JSON is taken: the rest is for
// a general decoder to read, or to refuse. Like JSON.parse it minds neither halves of surrogate pairs nor repeated names.
// Whether strings are UTF-8 it does not ask.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Scanner stands at a place of a text and passes what it is asked for. Where something else is it fails for good: its
// methods pass nothing more and its loops end, so it is enough to ask once, at the end (Done). An object is read like this:
//
//	for more := s.Open('{'); more; more = s.More('{') {
//		name := s.Name()
//		value := s.Value()
//	}
type Scanner struct {
	text   []byte
	at     int
	levels int // how many objects and arrays may still be opened in each other
	failed bool
}

// New returns a scanner at the beginning of a text, in which so many levels of objects and arrays may be open at once.
func New(text []byte, levels int) Scanner { return Scanner{text: text, levels: levels} }

// At returns the place at which the scanner is.
func (s *Scanner) At() int { return s.at }

// Left returns how many bytes are left.
func (s *Scanner) Left() int { return len(s.text) - s.at }

// Done reports whether the scanner has passed all of the text.
func (s *Scanner) Done() bool { return !s.failed && s.at == len(s.text) }

// Failed reports whether the scanner has failed: what it has returned last is not to be used.
func (s *Scanner) Failed() bool { return s.failed }

// Fail makes the scanner fail.
func (s *Scanner) Fail() { s.failed, s.at = true, len(s.text) }

// Next returns the byte with which the next value or sign begins, or 0 at the end.
func (s *Scanner) Next() byte { return byteAt(s.text, s.at) }

// Since returns the text from a place at which the scanner was until the present one.
func (s *Scanner) Since(begin int) []byte { return s.text[begin:s.at:s.at] }

// Open passes the beginning of an object (kind is '{') or an array ('['), and reports whether there is anything in it.
func (s *Scanner) Open(kind byte) bool {
	if s.Next() != kind || s.levels == 0 {
		s.Fail()
		return false
	}
	s.at++
	if s.Next() == closing(kind) {
		s.at++
		return false
	}
	s.levels--
	return true
}

// More passes what follows a member of an object or an element of an array, and reports whether there is another one.
func (s *Scanner) More(kind byte) bool {
	switch s.Next() {
	case ',':
		s.at++
		return true
	case closing(kind):
		s.at++
		s.levels++
		return false
	}
	s.Fail()
	return false
}

// Name passes the name of a member and returns it without quotes. It fails at one with escapes, which no client writes.
func (s *Scanner) Name() []byte {
	end, form := stringEnd(s.text, s.at)
	if form != Plain || byteAt(s.text, end) != ':' {
		s.Fail()
		return nil
	}
	name := s.text[s.at+1 : end-1]
	s.at = end + 1
	return name
}

// Value passes a value and returns its text.
func (s *Scanner) Value() []byte { return s.pass(valueEnd(s.text, s.at, s.levels)) }

// String passes a string and returns its text, quotes included.
func (s *Scanner) String() (text []byte, form Form) {
	end, form := stringEnd(s.text, s.at)
	return s.pass(end), form
}

// pass goes on to a place, or fails if there is none, and returns the text until there.
func (s *Scanner) pass(end int) []byte {
	if end == none {
		s.Fail()
		return nil
	}
	begin := s.at
	s.at = end
	return s.Since(begin)
}

// Form says what stands between the quotes of a string.
type Form int

// The forms of a string.
const (
	Plain   Form = iota // itself
	Short               // and escapes of a letter, but no \/, which needs none
	Escaped             // and others
)

// The functions below take a place of a text, which may be none, and return the one behind what begins there, or none.
const none = -1

func byteAt(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

func closing(kind byte) byte { return kind + 2 } // of '{' and '['

func valueEnd(text []byte, i, levels int) int {
	switch c := byteAt(text, i); c {
	case '"':
		end, _ := stringEnd(text, i)
		return end
	case '{', '[':
		if levels == 0 {
			return none
		}
		if i++; byteAt(text, i) == closing(c) {
			return i + 1
		}
		for {
			if c == '{' {
				i = nameEnd(text, i)
			}
			i = valueEnd(text, i, levels-1)
			switch byteAt(text, i) {
			case ',':
				i++
			case closing(c):
				return i + 1
			default:
				return none
			}
		}
	case 't':
		return wordEnd(text, i, "true")
	case 'f':
		return wordEnd(text, i, "false")
	case 'n':
		return wordEnd(text, i, "null")
	}
	return numberEnd(text, i)
}

// nameEnd is for a name and its colon.
func nameEnd(text []byte, i int) int {
	i, _ = stringEnd(text, i)
	if byteAt(text, i) != ':' {
		return none
	}
	return i + 1
}

func wordEnd(text []byte, i int, word string) int {
	if end := i + len(word); end <= len(text) && string(text[i:end]) == word {
		return end
	}
	return none
}

func stringEnd(text []byte, i int) (end int, form Form) {
	if byteAt(text, i) != '"' {
		return none, Escaped
	}
	for i++; ; {
		switch c := byteAt(text, i); {
		case c == '"':
			return i + 1, form
		case c == '\\':
			letter := byteAt(text, i+1)
			form = max(form, formOf[letter])
			switch {
			case letter == 'u' && i+6 <= len(text) && isHex(text[i+2]) && isHex(text[i+3]) && isHex(text[i+4]) && isHex(text[i+5]):
				i += 6
			case letter == 'u' || formOf[letter] == Plain:
				return none, Escaped
			default:
				i += 2
			}
		case c < ' ':
			return none, Escaped
		default:
			i = special(text, i+1)
		}
	}
}

// formOf has the forms of escapes by the letter behind the backslash; Plain where it makes no escape.
var formOf = [256]Form{'"': Short, '\\': Short, 'b': Short, 'f': Short, 'n': Short, 'r': Short, 't': Short, '/': Escaped, 'u': Escaped}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func numberEnd(text []byte, i int) int {
	if byteAt(text, i) == '-' {
		i++
	}
	if byteAt(text, i) == '0' {
		i++
	} else {
		i = digitsEnd(text, i)
	}
	c := byteAt(text, i)
	if c == ',' || c == '}' || c == ']' { // as nearly always
		return i
	}
	if c == '.' {
		i = digitsEnd(text, i+1)
	}
	if byteAt(text, i)|0x20 == 'e' {
		if i++; byteAt(text, i) == '+' || byteAt(text, i) == '-' {
			i++
		}
		i = digitsEnd(text, i)
	}
	return i
}

// digitsEnd is for one digit or more.
func digitsEnd(text []byte, i int) int {
	if !isDigit(byteAt(text, i)) {
		return none
	}
	for i++; isDigit(byteAt(text, i)); i++ {
	}
	return i
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
