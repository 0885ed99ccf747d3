package fs

import (
	"io"
	"net/http"
	"time"
)

const (
	// idleTimeout ends an upload that has sent nothing for this long. A slow client is fine; a dead one is not.
	idleTimeout = 60 * time.Second
	// slowestUpload is how many bytes a second an upload must average.
	slowestUpload = 4 << 10
)

// bodyReader reads a request body. It gives the client a new deadline for each read, and one for the whole body.
type bodyReader struct {
	body    io.Reader
	control *http.ResponseController
	last    time.Time
}

func newBodyReader(w http.ResponseWriter, r *http.Request, size int64) io.Reader {
	if r.Body == nil {
		return http.NoBody
	}
	last := time.Now().Add(idleTimeout + time.Duration(size/slowestUpload)*time.Second)
	return &bodyReader{r.Body, http.NewResponseController(w), last}
}

// Read implements io.Reader. The deadline belongs to the network, so it is in real time. A writer without deadlines,
// such as one in a test, goes without.
func (b *bodyReader) Read(p []byte) (int, error) {
	deadline := time.Now().Add(idleTimeout)
	if b.last.Before(deadline) {
		deadline = b.last
	}
	b.control.SetReadDeadline(deadline)
	n, err := b.body.Read(p)
	if err != nil {
		// Nothing more is read; a deadline left behind would cancel the request while its file is made durable.
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
