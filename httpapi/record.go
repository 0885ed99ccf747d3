package httpapi

import (
	"io"
	"math"
	"net/http"
	"time"

	"or3.chat/cloud/internal/membudget"
)

// Record is what the pipeline knows of one request and its answer. The log line is made from it.
type Record struct {
	// ID is the request id that the client sees as X-Request-Id.
	ID string
	// Trace and Parent are the ids of the trace that the request belongs to, and of the step in it that has sent it, as the sender says;
	// empty if nothing is said.
	Trace, Parent string
	// Route is the pattern of the route that answers, and Method its method; empty if none does.
	Route, Method string
	// Status is the status of the answer, 0 until it begins.
	Status int
	// Bytes is the size of the body sent so far.
	Bytes int64
	// Err is the error that was answered, with its cause.
	Err error
	// Warning is what an operator should know of an answer that is none the worse for it.
	Warning string
	// Memory is what the request holds. Without a Router that has a budget it may hold anything.
	Memory membudget.Tab
}

// Started reports whether the answer has begun.
func (r *Record) Started() bool { return r.Status != 0 }

// WithRecord returns r with a record, and a writer that keeps the record up to date.
func WithRecord(w http.ResponseWriter, r *http.Request, rec *Record) (http.ResponseWriter, *http.Request) {
	return &recorder{ResponseWriter: w, rec: rec}, r.WithContext(&carrier{Context: r.Context(), record: rec})
}

// RecordOf returns the record of r; an unused one if there is none.
func RecordOf(r *http.Request) *Record {
	if rec, ok := r.Context().Value(recordKey).(*Record); ok {
		return rec
	}
	return &Record{}
}

// recorder passes everything on and takes notes. Unwrap and ReadFrom keep deadlines, flushing and the kernel's file
// copy available to handlers.
//
// It gives each piece of an answer the time that a slow but honest client needs to take it, so that no answer outlives a
// client that takes nothing. A deadline that the handler sets bounds the answer as a whole.
type recorder struct {
	http.ResponseWriter
	rec   *Record
	until time.Time // the handler's deadline; zero if it has set none
	size  int64     // of an answer that has to be taken as a whole, until its first piece is sent; 0 if there is no such bound
}

// piece is how much of an answer is sent under one deadline, in bytes.
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
	// The kernel copies files that it is given in one wrapping, not in two.
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

// FlushError is what http.ResponseController calls, so that a stream learns that its reader is gone.
func (w *recorder) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
