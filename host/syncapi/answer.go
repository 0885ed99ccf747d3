package syncapi

import (
	"net/http"
	"sync"

	"or3.chat/cloud/host/httpx"
)

// chunkSize is what an answer grows by, in bytes.
const chunkSize = 64 << 10

// chunks keeps the pieces of earlier answers.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// answer is a JSON text in pieces. A page can be megabytes: as one buffer it would be copied each time it grows, and
// then either be kept at its largest or be made anew for the next page. It is complete before its first byte is sent,
// so that a slow client holds no read transaction and an error can still be answered as one.
type answer struct {
	text []byte // the piece that is being written
	full [][]byte
}

func newAnswer(begin string) answer {
	return answer{text: append(chunks.Get().(*[chunkSize]byte)[:0], begin...)}
}

// room makes sure that about n bytes more fit without a copy.
func (a *answer) room(n int) {
	if cap(a.text)-len(a.text) >= n {
		return
	}
	a.full = append(a.full, a.text)
	if n > chunkSize {
		a.text = make([]byte, 0, n)
		return
	}
	a.text = chunks.Get().(*[chunkSize]byte)[:0]
}

// send answers 200 with the text.
func (a *answer) send(w http.ResponseWriter) { httpx.WriteRaw(w, append(a.full, a.text)...) }

// free gives the pieces back. The answer must not be used after it.
func (a *answer) free() {
	for _, piece := range append(a.full, a.text) {
		if cap(piece) == chunkSize { // one that a large row has made is left to the collector
			chunks.Put((*[chunkSize]byte)(piece[:chunkSize]))
		}
	}
	*a = answer{}
}
