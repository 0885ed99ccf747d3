package httpapi

import (
	"io"
	"math"
	"net/http"
	"time"

	"or3.chat/cloud/internal/membudget"
)

// Record is what the pipeline knows about one request and its answer. The log line is made from it.
type Record struct {
	// ID is the request id that the client sees as X-Request-Id.
	ID string
	// Trace and Parent are the ids of the request's trace and of the step in it that sent the request, as declared by
	// the sender. They are empty if nothing was declared.
	Trace, Parent string
	// Route is the pattern of the matching route, and Method its method. They are empty if no route matches.
	Route, Method string
	// Status is the status of the answer, or 0 until it begins.
	Status int
	// Bytes is the size of the body sent so far.
	Bytes int64
	// Err is the error of the answer, with its cause.
	Err error
	// Warning is a note for the operator about an answer that did not suffer from it.
	Warning string
	// Memory is the memory that the request holds. Without a Router that has a budget, it is unlimited.
	Memory membudget.Tab
}

// Started reports whether the answer has begun.
func (r *Record) Started() bool { return r.Status != 0 }

// WithRecord returns r with a record, and a writer that keeps the record up to date.
func WithRecord(w http.ResponseWriter, r *http.Request, rec *Record) (http.ResponseWriter, *http.Request) {
	return &recorder{ResponseWriter: w, rec: rec}, r.WithContext(&carrier{Context: r.Context(), record: rec})
}

// RecordOf returns the record of r, or an unused one if there is none.
func RecordOf(r *http.Request) *Record {
	if rec, ok := r.Context().Value(recordKey).(*Record); ok {
		return rec
	}
	return &Record{}
}

// recorder passes everything on and records it. Unwrap and ReadFrom keep deadlines, flushing and the kernel's file copy
// available to handlers.
//
// It gives each piece of an answer the time that a slow but honest client needs to receive it, so that an answer cannot
// wait indefinitely for a client that never reads. A deadline that the handler sets limits the answer as a whole.
type recorder struct {
	http.ResponseWriter
	rec   *Record
	until time.Time // the handler's deadline, or zero
	size  int64     // size of an answer with a limit on its total time, until its first piece is sent, or 0
}

// piece is how many bytes of an answer are sent under one deadline.
const piece = 128 << 10

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// SetWriteDeadline is what http.ResponseController calls for a handler.
func (w *recorder) SetWriteDeadline(t time.Time) error {
	w.until, w.size = t, 0
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

func (w *recorder) hurry(size int64) {
	now := time.Now()
	if w.size > 0 {
		w.until, w.size = now.Add(timeFor(w.size)), 0
	}
	t := now.Add(timeFor(size))
	if !w.until.IsZero() && w.until.Before(t) {
		t = w.until
	}
	_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(t)
}

func (w *recorder) WriteHeader(status int) {
	if w.rec.Status == 0 && status >= 200 { // 1xx precede the answer
		w.rec.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) begin() {
	if w.rec.Status == 0 {
		w.rec.Status = http.StatusOK
	}
}

func (w *recorder) Write(p []byte) (n int, err error) {
	w.begin()
	for {
		part := p[n:min(n+piece, len(p))]
		w.hurry(int64(len(part)))
		sent, err := w.ResponseWriter.Write(part)
		n += sent
		w.rec.Bytes += int64(sent)
		if err != nil || n == len(p) {
			return n, err
		}
	}
}

func (w *recorder) ReadFrom(src io.Reader) (n int64, err error) {
	w.begin()
	// The kernel copies a file through one wrapper, but not through two.
	limited, ok := src.(*io.LimitedReader)
	if !ok {
		limited = &io.LimitedReader{R: src, N: math.MaxInt64}
	}
	for limited.N > 0 {
		part := io.LimitedReader{R: limited.R, N: min(piece, limited.N)}
		w.hurry(part.N)
		asked := part.N
		sent, err := io.Copy(w.ResponseWriter, &part)
		n += sent
		limited.N -= asked - part.N
		w.rec.Bytes += sent
		if err != nil || sent < asked {
			return n, err
		}
	}
	return n, nil
}

func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls, so that a stream learns that its reader has left.
func (w *recorder) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
