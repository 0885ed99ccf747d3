package syncschema

import "encoding/binary"

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// Valid reports whether a text is valid UTF-8, like utf8.Valid. Every byte of every page and push passes here. Most are
// ASCII, for which it needs one branch per 32 bytes.
func Valid(b []byte) bool {
	state := uint64(stateStart)
	for ; len(b) >= 32; b = b[32:] {
		w0, w1 := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		if (w0|w1|w2|w3)&highs != 0 || state&63 != stateStart {
			state = read(read(read(read(state, w0), w1), w2), w3)
		}
	}
	for _, c := range b {
		state = steps[c] >> (state & 63)
	}
	return state&63 == stateStart
}

// Openings returns an upper bound on the number of arrays and objects that begin in a JSON text. It does not branch on
// individual bytes.
func Openings(b []byte) (n int) {
	for ; len(b) >= 32; b = b[32:] {
		w0, w1 := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		w2, w3 := binary.LittleEndian.Uint64(b[16:]), binary.LittleEndian.Uint64(b[24:])
		n += int((brackets(w0) + brackets(w1) + brackets(w2) + brackets(w3)) * lows >> 56)
	}
	for _, c := range b {
		if c|0x20 == '{' {
			n++
		}
	}
	return n
}

// read runs the automaton over the eight bytes of a word.
func read(state, w uint64) uint64 {
	if w&highs == 0 && state&63 == stateStart {
		return state
	}
	state = steps[byte(w)] >> (state & 63)
	state = steps[byte(w>>8)] >> (state & 63)
	state = steps[byte(w>>16)] >> (state & 63)
	state = steps[byte(w>>24)] >> (state & 63)
	state = steps[byte(w>>32)] >> (state & 63)
	state = steps[byte(w>>40)] >> (state & 63)
	state = steps[byte(w>>48)] >> (state & 63)
	return steps[byte(w>>56)] >> (state & 63)
}

// brackets returns a word whose bytes are 1 where those of w are '{' or '[', which differ by 0x20, and otherwise 0.
// Because the subtraction borrows from the next byte, it may set some bytes too many, but none too few.
func brackets(w uint64) uint64 {
	x := (w | 0x20*lows) ^ '{'*lows
	return (x - lows) &^ x & highs >> 7
}

// The states of an automaton that reads UTF-8 (Unicode, table 3-7). Each is the position of six bits in a row of steps
// that name the next state, so the automaton takes a step with one shift (Per Vognsen, "Shift-based DFAs").
const (
	stateBad   = 6 * iota
	stateStart // between two characters
	stateOne   // one byte 80–BF must follow
	stateTwo   // two
	stateThree // three
	stateE0    // A0–BF and one more: no overlong forms
	stateED    // 80–9F and one more: no halves of surrogate pairs
	stateF0    // 90–BF and two more
	stateF4    // 80–8F and two more: nothing above U+10FFFF
)

// steps has a row for each byte. All other transitions lead to stateBad, which is 0.
var steps = func() (rows [256]uint64) {
	for _, r := range []struct {
		from, to    int
		state, next uint64
	}{
		{0x00, 0x7F, stateStart, stateStart},
		{0xC2, 0xDF, stateStart, stateOne},
		{0xE0, 0xE0, stateStart, stateE0},
		{0xE1, 0xEC, stateStart, stateTwo},
		{0xED, 0xED, stateStart, stateED},
		{0xEE, 0xEF, stateStart, stateTwo},
		{0xF0, 0xF0, stateStart, stateF0},
		{0xF1, 0xF3, stateStart, stateThree},
		{0xF4, 0xF4, stateStart, stateF4},
		{0x80, 0xBF, stateOne, stateStart},
		{0x80, 0xBF, stateTwo, stateOne},
		{0x80, 0xBF, stateThree, stateTwo},
		{0xA0, 0xBF, stateE0, stateOne},
		{0x80, 0x9F, stateED, stateOne},
		{0x90, 0xBF, stateF0, stateTwo},
		{0x80, 0x8F, stateF4, stateTwo},
	} {
		for c := r.from; c <= r.to; c++ {
			rows[c] |= r.next << r.state
		}
	}
	return rows
}()
