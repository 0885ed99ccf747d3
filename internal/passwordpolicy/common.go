package passwordpolicy

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"sort"
	"strings"
)

// commonText holds the folded passwords, one per line, sorted. Command generate makes it from published lists of
// breached passwords, ordered by frequency.
//
//go:embed common.txt.gz
var commonText []byte

// wordList is a sorted text with one word per line. Searching it needs no memory beyond the text.
type wordList struct {
	text  string
	lines []int32 // the start of each word
}

func commonPasswords() (wordList, error) {
	z, err := gzip.NewReader(bytes.NewReader(commonText))
	if err != nil {
		return wordList{}, fmt.Errorf("list of common passwords: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return wordList{}, fmt.Errorf("list of common passwords: %w", err)
	}
	return newWordList(string(text)), nil
}

func newWordList(text string) wordList {
	l := wordList{text: text}
	for at := 0; at < len(text); at += strings.IndexByte(text[at:], '\n') + 1 {
		l.lines = append(l.lines, int32(at))
	}
	return l
}

// word returns the i-th word.
func (l wordList) word(i int) string {
	w, _, _ := strings.Cut(l.text[l.lines[i]:], "\n")
	return w
}

// has reports whether w is in the list.
func (l wordList) has(w string) bool {
	_, found := sort.Find(len(l.lines), func(i int) int { return strings.Compare(w, l.word(i)) })
	return found
}
