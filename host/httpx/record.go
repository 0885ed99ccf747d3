package httpx

import (
	"context"
	"io"
	"net/http"
)

// Record is what the pipeline knows of one request and its answer. The log line is made from it.
type Record struct {
	// ID is the request id that the client sees as X-Request-Id.
	ID string
	// Status is the status of the answer, 0 until it begins.
	Status int
	// Bytes is the size of the body sent so far.
	Bytes int64
	// Err is the error that was answered, with its cause.
	Err error
	// Warning is what an operator should know of an answer that is none the worse for it.
	Warning string
}

// Started reports whether the answer has begun.
func (r *Record) Started() bool { return r.Status != 0 }

// WithRecord returns r with a record, and a writer that keeps the record up to date.
func WithRecord(w http.ResponseWriter, r *http.Request, rec *Record) (http.ResponseWriter, *http.Request) {
	return &recorder{ResponseWriter: w, rec: rec}, r.WithContext(context.WithValue(r.Context(), recordKey, rec))
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
type recorder struct {
	http.ResponseWriter
	rec *Record
}

func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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

func (w *recorder) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.rec.Bytes += int64(n)
	return n, err
}

func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	n, err := io.Copy(w.ResponseWriter, src)
	w.rec.Bytes += n
	return n, err
}

func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is what http.ResponseController calls, so that a stream learns that its reader is gone.
func (w *recorder) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}
