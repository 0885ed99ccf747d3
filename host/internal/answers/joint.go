package answers

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// goOnSign is what clients ask models to begin with when they continue a text (contract, client-behaviour §10): what
// follows joins the text as it is.
const goOnSign = ">>"

// maxRepeated is how much of the end of a text a model may repeat, in bytes: clients show it that much.
const maxRepeated = 4800

// joint joins what a model says to the text that it continues: it removes the sign, and what is repeated.
type joint struct {
	tail    string // the end of the text
	held    string // of what was said, until it is known how much of it is removed
	open    bool
	signed  bool
	decided bool // about the sign
}

func newJoint(text string) *joint {
	tail := text
	if len(tail) > maxRepeated {
		tail = strings.ToValidUTF8(tail[len(tail)-maxRepeated:], "")
	}
	return &joint{tail: tail, open: true}
}

// add returns the new part of a piece, together with what was held back.
func (j *joint) add(piece string) string {
	if !j.open {
		return piece
	}
	j.held += piece
	if !j.decided {
		if len(j.held) < len(goOnSign) && strings.HasPrefix(goOnSign, j.held) {
			return ""
		}
		j.decided = true
		j.held, j.signed = strings.CutPrefix(j.held, goOnSign)
	}
	// More may be a repetition as long as everything said so far occurs at the end of the text, followed by more.
	if j.held == "" || j.mayRepeat() {
		return ""
	}
	return j.end()
}

// mayRepeat reports whether what is held may be the beginning of a longer repetition.
func (j *joint) mayRepeat() bool {
	for at := 0; ; at++ {
		next := strings.Index(j.tail[at:], j.held)
		if next < 0 {
			return false
		}
		if at += next; at+len(j.held) < len(j.tail) {
			return true
		}
	}
}

// end returns the new part of what is held: the answer has no more, or no repetition continues.
func (j *joint) end() string {
	if !j.open {
		return ""
	}
	j.open = false
	said := j.held
	j.held = ""
	for n := min(len(said), len(j.tail)); utf8.RuneCountInString(said[:n]) > 1; n-- { // one character alone is chance
		if strings.HasSuffix(j.tail, said[:n]) {
			return said[n:]
		}
	}
	if !j.signed && j.parted(said) {
		return " " + said
	}
	return said
}

// parted reports whether a space belongs between the text and what follows; a model that gives the sign has included
// it.
func (j *joint) parted(said string) bool {
	last, _ := utf8.DecodeLastRuneInString(j.tail)
	first, _ := utf8.DecodeRuneInString(said)
	word := func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }
	return word(first) && (word(last) || strings.ContainsRune(".!?:;,…", last))
}
