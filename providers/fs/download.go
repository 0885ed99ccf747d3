package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
)

const (
	// minRate is the speed in bytes per second below which a download is ended: some clients open a transfer and stop
	// reading.
	minRate = 4 << 10
	// contentPolicy keeps a document that is opened from a signed URL from doing anything.
	contentPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"
)

// download is GET and HEAD /api/storage/fs/download (contract, storage §7.5). net/http handles ranges and conditional
// requests; the content is immutable, so its hash is a strong validator.
func (g *gateway) download(w http.ResponseWriter, r *http.Request) error {
	c, k, err := g.admit(r, opDownload, or3cloud.PermWorkspaceRead)
	if err != nil {
		return err
	}
	defer g.traffic.Transfer()()
	f, rec, err := g.copies.FindVerified(r.Context(), k)
	if errors.Is(err, copies.ErrAbsent) {
		return or3cloud.Errorf(or3cloud.CodeNotFound, "File not found")
	}
	if err != nil {
		return refuse.Disk(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && info.Size() != rec.SizeBytes {
		err = fmt.Errorf("fs: blob %s has %d bytes instead of %d", k.Base(), info.Size(), rec.SizeBytes)
	}
	if err != nil {
		return refuse.Disk(err)
	}

	mime := c.MIME
	if mime == "" {
		mime = rec.MIMEType
	}
	contentType, disposition, err := narrowed(f, mime, or3cloud.Disposition(c.Disposition))
	if err != nil {
		return refuse.Disk(err)
	}
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Disposition", contentDisposition(disposition, c.Filename))
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-store")
	h.Set("ETag", `"`+k.Base()+`"`)

	allowed := time.Minute + time.Duration(info.Size()/minRate)*time.Second
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(allowed))
	out := &rangeWriter{ResponseWriter: w}
	http.ServeContent(out, r, "", time.Time{}, f)
	if v, ok := f.(*digest.File); ok && v.Failure() != nil {
		return g.failed(r.Context(), k, rec.Generation, v.Failure(), out)
	}
	out.send()
	if out.unsatisfiable {
		h.Del("Content-Disposition")
		return or3cloud.Errorf(or3cloud.CodeRangeUnsatisfiable, "Requested range not satisfiable")
	}
	return nil
}

// failed ends a download whose content is damaged or could not be read. If nothing has been sent yet, the client is
// told to try again; otherwise the connection is cut, since an answer that simply ended would be taken for the whole
// file.
func (g *gateway) failed(ctx context.Context, k layout.Key, generation string, fault error, out *rangeWriter) error {
	if errors.Is(fault, digest.ErrDamaged) {
		g.copies.ReportDamage(ctx, k, generation, fault)
	}
	if out.sent {
		panic(http.ErrAbortHandler)
	}
	for _, name := range []string{
		"Accept-Ranges", "Content-Disposition", "Content-Length", "Content-Range", "Content-Type", "ETag",
	} {
		out.Header().Del(name)
	}
	return refuse.Disk(fault)
}

// rangeWriter holds back the head of the answer until there is something to send after it, so that a failure in the
// first block can still become an error. It drops the plain-text answer that http.ServeContent gives to an
// unsatisfiable range, so that the client gets an error in the contract's form. Content-Range, which says how long the
// file is, stays set.
type rangeWriter struct {
	http.ResponseWriter
	status        int // held back; 0 if none
	sent          bool
	unsatisfiable bool
}

// WriteHeader implements http.ResponseWriter.
func (w *rangeWriter) WriteHeader(status int) {
	w.status, w.unsatisfiable = status, status == http.StatusRequestedRangeNotSatisfiable
}

// send sends the head of the answer unless it has been sent.
func (w *rangeWriter) send() {
	if !w.sent && !w.unsatisfiable && w.status != 0 {
		w.sent = true
		w.ResponseWriter.WriteHeader(w.status)
	}
}

// Write implements io.Writer.
func (w *rangeWriter) Write(p []byte) (int, error) {
	if w.unsatisfiable {
		return len(p), nil
	}
	w.send()
	return w.ResponseWriter.Write(p)
}

// ReadFrom passes on a file without digests, so that the kernel can copy it to the connection.
func (w *rangeWriter) ReadFrom(r io.Reader) (int64, error) {
	if w.unsatisfiable {
		return io.Copy(io.Discard, r)
	}
	if limited, ok := r.(*io.LimitedReader); ok {
		if v, ok := limited.R.(*digest.File); ok {
			return w.sendVerified(v, limited)
		}
	}
	w.send()
	return io.Copy(w.ResponseWriter, r)
}

// sendVerified sends a file from the memory in which its blocks were verified. The head goes out once the first blocks
// have been.
func (w *rangeWriter) sendVerified(v *digest.File, r *io.LimitedReader) (sent int64, err error) {
	next := func() ([]byte, error) { return v.Next(r.N) }
	if ahead, ok := v.ReadAhead(r.N); ok {
		defer ahead.Stop()
		next = ahead.Next
	}
	for r.N > 0 {
		p, err := next()
		if err == io.EOF {
			return sent, nil
		}
		if err != nil {
			return sent, err
		}
		n, err := w.Write(p)
		sent += int64(n)
		r.N -= int64(n)
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}

// Unwrap lets http.ResponseController reach the connection.
func (w *rangeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
