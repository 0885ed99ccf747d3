package nuxt

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// Worker is a script with a list of files that a service worker fetches when it is installed, each with a revision by
// which it knows a new content (workbox).
type Worker struct {
	src     string
	entries []entry
	// fallbacks are the files that the worker answers navigations with. One that is not on the list makes it fail at
	// its start.
	fallbacks []string
}

// entry is a line of the list.
type entry struct {
	url        string
	at         int // where the line begins
	start, end int // of the revision
	// integrity is where the hash stands by which the browser checks the file; empty if there is none.
	integrity struct{ start, end int }
}

// fallback finds what a worker takes for navigations, in the words of workbox.
var fallback = regexp.MustCompile(`createHandlerBoundToURL\)?\(\s*("[^"\\]*"|'[^'\\]*')`)

// ReadWorker returns the list in a script, nil if there is none.
func ReadWorker(src []byte) *Worker {
	w := &Worker{src: string(src)}
	for at := strings.IndexByte(w.src, '{'); at >= 0; {
		if e, ok := readEntry(w.src, at); ok {
			w.entries = append(w.entries, e)
		}
		next := strings.IndexByte(w.src[at+1:], '{')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	if len(w.entries) == 0 {
		return nil
	}
	for _, m := range fallback.FindAllStringSubmatch(w.src, -1) {
		w.fallbacks = append(w.fallbacks, m[1][1:len(m[1])-1])
	}
	return w
}

// readEntry reads an object with a url and a revision, and perhaps an integrity, which is all that a line has.
func readEntry(src string, at int) (e entry, ok bool) {
	p := &parser{src: src, pos: at}
	var err error
	defer func() { ok = ok && err == nil }()
	defer p.recoverTo(&err)
	p.expect("{")
	var hasURL, hasRevision bool
	for !p.accept("}") {
		var key string
		if c := p.peek(); c == '"' || c == '\'' {
			key = p.text()
		} else {
			key = p.word()
		}
		p.expect(":")
		p.space()
		start := p.pos
		switch key {
		case "url":
			e.url, hasURL = p.text(), true
		case "revision", "integrity":
			switch c := p.peek(); {
			case c == '"' || c == '\'' || c == '`':
				p.text()
			case p.acceptWord("null"), p.acceptWord("undefined"), p.acceptWord("void") && p.accept("0"):
			default:
				return e, false
			}
			if key == "revision" {
				e.start, e.end, hasRevision = start, p.pos, true
			} else {
				e.integrity.start, e.integrity.end = start, p.pos
			}
		default:
			return e, false
		}
		if !p.accept(",") {
			p.expect("}")
			break
		}
	}
	e.at = at
	return e, hasURL && hasRevision
}

// Files returns the addresses on the list and those that navigations are answered with, as they are written.
func (w *Worker) Files() []string {
	var out []string
	for _, e := range w.entries {
		out = append(out, e.url)
	}
	return append(out, w.fallbacks...)
}

// Revise returns the worker with the revisions that of returns for addresses; "" leaves one as it is. The hash of a
// file that was another one when the worker was built goes: browsers would refuse the file. What navigations are
// answered with is added to the list if it is not there and has a revision; same says which addresses mean the same
// file.
func (w *Worker) Revise(of func(url string) string, same func(a, b string) bool) []byte {
	var edits []edit
	for _, e := range w.entries {
		if revision := of(e.url); revision != "" {
			edits = append(edits, edit{e.start, e.end, quoted(revision)})
			if at := e.integrity; at.end > at.start {
				edits = append(edits, edit{at.start, at.end, "null"})
			}
		}
	}
	var added []string
	for _, url := range w.fallbacks {
		listed := slices.ContainsFunc(w.entries, func(e entry) bool { return same(e.url, url) })
		if revision := of(url); !listed && revision != "" && !slices.Contains(added, url) {
			first := w.entries[0].at
			edits = append([]edit{{first, first, "{url:" + quoted(url) + ",revision:" + quoted(revision) + "},"}}, edits...)
			added = append(added, url)
		}
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return a.start - b.start })
	var b strings.Builder
	done := 0
	for _, e := range edits {
		b.WriteString(w.src[done:e.start])
		b.WriteString(e.text)
		done = e.end
	}
	b.WriteString(w.src[done:])
	return []byte(b.String())
}

func quoted(text string) string {
	out, _ := json.Marshal(text) // a string has no error
	return string(out)
}
