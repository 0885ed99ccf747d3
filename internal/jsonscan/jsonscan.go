// Package jsonscan scans JSON as browsers write it (JSON.stringify): without white space, not nested very deep. It
// looks at each byte once and copies none. Everything that it accepts is JSON (RFC 8259), but it does not accept all
// JSON: a general decoder has to read or refuse the rest. Like JSON.parse, it accepts halves of surrogate pairs and
// repeated names. It does not check whether strings are UTF-8.
package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Scanner stands at a position in a text and passes whatever its methods ask for. If it finds something else, it fails
// for good: its methods pass nothing more and its loops end, so it is enough to check once, at the end (Done). An
// object is read like this:
//
//	for more := s.Open('{'); more; more = s.More('{') {
//		name := s.Name()
//		value := s.Value()
//	}
type Scanner struct {
	text   []byte
	at     int
	levels int // how many more nested objects and arrays may be opened
	failed bool
}

// New returns a scanner at the beginning of a text, in which at most levels objects and arrays may be open at once.
func New(text []byte, levels int) Scanner { return Scanner{text: text, levels: levels} }

// At returns the scanner's position.
func (s *Scanner) At() int { return s.at }

// Left returns the number of bytes left.
func (s *Scanner) Left() int { return len(s.text) - s.at }

// Done reports whether the scanner has passed the whole text.
func (s *Scanner) Done() bool { return !s.failed && s.at == len(s.text) }

// Failed reports whether the scanner has failed, so that its last result must not be used.
func (s *Scanner) Failed() bool { return s.failed }

// Fail makes the scanner fail.
func (s *Scanner) Fail() { s.failed, s.at = true, len(s.text) }

// Next returns the first byte of the next value or sign, or 0 at the end.
func (s *Scanner) Next() byte { return byteAt(s.text, s.at) }

// Since returns the text from an earlier position of the scanner to the current one.
func (s *Scanner) Since(begin int) []byte { return s.text[begin:s.at:s.at] }

// Open passes the beginning of an object (kind is '{') or an array ('['), and reports whether it contains anything.
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

// Name passes the name of a member and returns it without quotes. It fails on a name with escapes, which no client
// writes.
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

// pass advances to a position, or fails if that is none, and returns the text before it.
func (s *Scanner) pass(end int) []byte {
	if end == none {
		s.Fail()
		return nil
	}
	begin := s.at
	s.at = end
	return s.Since(begin)
}

// Form classifies the text between the quotes of a string.
type Form int

// The forms of a string.
const (
	Plain   Form = iota // no escapes
	Short               // escapes with one letter, but not \/, which is never needed
	Escaped             // other escapes
)

// The functions below take a position in a text, which may be none. They return the position after whatever begins
// there, or none.
const none = -1

func byteAt(text []byte, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}

func closing(kind byte) byte { return kind + 2 } // for '{' and '['

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

// nameEnd handles a name and its colon.
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

// formOf maps the letter after a backslash to the form of the escape, or to Plain if it is not an escape.
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

// digitsEnd handles one or more digits.
func digitsEnd(text []byte, i int) int {
	if !isDigit(byteAt(text, i)) {
		return none
	}
	for i++; isDigit(byteAt(text, i)); i++ {
	}
	return i
}

// special returns the position of the first quote, backslash or control character from i on, or the length of the text.
func special(text []byte, i int) int {
	const lows, highs = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(text); i += 8 {
		w := binary.LittleEndian.Uint64(text[i:])
		quote, backslash := w^'"'*lows, w^'\\'*lows
		// The high bit of a byte is set if the byte is 0, or less than a space. The first one set is exact.
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
