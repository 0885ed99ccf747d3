// Package jsstring handles strings as the clients do: JavaScript counts and orders them in UTF-16 code units.
package jsstring

import (
	"unicode/utf8"
)

// Len returns the length of s in UTF-16 code units, which is what every length limit of the contract counts.
func Len(s string) int {
	n := 0
	for _, r := range s {
		n++
		if r > 0xFFFF {
			n++
		}
	}
	return n
}

// Longer reports whether s has more than n UTF-16 code units. A string never has more of them than bytes.
func Longer(s string, n int) bool { return len(s) > n && Len(s) > n }

// SortKey returns bytes whose order under bytes.Compare is the UTF-16 order of the strings (contract, sync Pitfall 11).
// For text in the Basic Multilingual Plane, they are its UTF-8. Other characters become two three-byte sequences, one
// for each surrogate.
func SortKey(s string) []byte {
	key := make([]byte, 0, len(s))
	for _, r := range s {
		if r <= 0xFFFF {
			key = utf8.AppendRune(key, r)
			continue
		}
		r -= 0x10000
		key = appendSurrogate(key, 0xD800+r>>10)
		key = appendSurrogate(key, 0xDC00+r&0x3FF)
	}
	return key
}

// FromSortKey returns the string of which SortKey made key.
func FromSortKey(key []byte) string {
	plain := true
	for _, b := range key {
		if b == 0xED { // only surrogates, and U+D000..U+D7FF, begin with this byte
			plain = false
			break
		}
	}
	if plain {
		return string(key)
	}
	out := make([]byte, 0, len(key))
	for i := 0; i < len(key); {
		if i+6 <= len(key) && key[i] == 0xED && key[i+1] >= 0xA0 && key[i+1] < 0xB0 && key[i+3] == 0xED {
			hi, lo := surrogate(key[i:]), surrogate(key[i+3:])
			out = utf8.AppendRune(out, 0x10000+(hi-0xD800)<<10+(lo-0xDC00))
			i += 6
			continue
		}
		out = append(out, key[i])
		i++
	}
	return string(out)
}

func appendSurrogate(b []byte, u rune) []byte {
	return append(b, 0xE0|byte(u>>12), 0x80|byte(u>>6)&0xBF, 0x80|byte(u)&0xBF)
}

func surrogate(b []byte) rune {
	return rune(b[0]&0x0F)<<12 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F)
}
