// Package tus speaks version 1 of the tus protocol for resumable uploads, with the handler of tusd. What is uploaded,
// by whom and whether they may is decided before a request gets here; nothing of tusd is visible outside the package.
package tus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	"golang.org/x/exp/slog"

	or3cloud "or3.chat/cloud"
)

// networkTimeout ends an upload that has sent nothing for this long.
const networkTimeout = 60 * time.Second

// Version is the version of the protocol that is supported, Extensions are its supported extensions; the caller removes
// what has expired.
const (
	Version    = "1.0.0"
	Extensions = "creation,creation-with-upload,expiration,termination"
)

// ContentType is that of a request whose body is added to an upload.
const ContentType = "application/offset+octet-stream"

// slowestUpload is how many bytes a second a body must average.
const slowestUpload = 4 << 10

// Store is where one request finds its upload. Errors are returned to the client as they are.
type Store interface {
	// Create begins an upload and returns its id.
	Create(ctx context.Context) (id string, err error)
	// Find returns the size of an upload and how much of it is durable.
	Find(ctx context.Context, id string) (size, offset int64, err error)
	// Append reads bytes until body ends, and returns how many are durable.
	Append(ctx context.Context, id string, offset int64, body io.Reader) (int64, error)
	// Finish is called when all bytes are there.
	Finish(ctx context.Context, id string) error
	// Drop forgets an upload.
	Drop(ctx context.Context, id string) error
}

// Handler serves the protocol below a path.
type Handler struct {
	base  string
	locks *memorylocker.MemoryLocker
}

// New returns a handler for uploads at base followed by a slash and their id.
func New(base string) *Handler { return &Handler{base: base, locks: memorylocker.New()} }

// Metadata is what a request says about the upload that it creates.
func Metadata(r *http.Request) map[string]string {
	return handler.ParseMetadataHeader(r.Header.Get("Upload-Metadata"))
}

// Size is the size of the upload that a request creates. It has to be known at the beginning.
func Size(r *http.Request) (int64, bool) {
	size, err := strconv.ParseInt(r.Header.Get("Upload-Length"), 10, 64)
	return size, err == nil && size >= 0
}

// Serve answers one request about the upload id, or without an id one that creates an upload.
func (h *Handler) Serve(w http.ResponseWriter, r *http.Request, id string, store Store) error {
	data := &dataStore{store: store}
	composer := handler.NewStoreComposer()
	composer.UseCore(data)
	composer.UseTerminater(data)
	composer.UseLocker(locker{h.locks, &data.interruption})
	t, err := handler.NewHandler(handler.Config{
		StoreComposer: composer, BasePath: h.base, DisableDownload: true, DisableConcatenation: true,
		Cors:   &handler.CorsConfig{Disable: true}, // the host has its own rules
		Logger: slog.New(silent{}), NetworkTimeout: networkTimeout,
		// What must be done after a connection has gone is done without its context.
		GracefulRequestCompletionTimeout: time.Millisecond,
	})
	if err != nil {
		return err
	}
	inner := r.Clone(r.Context())
	inner.URL = &url.URL{Path: "/" + id}
	inner.Header.Del(methodOverride) // Method has determined the method
	data.body = &refusable{ReadCloser: inner.Body, data: data, start: time.Now()}
	inner.Body = data.body
	out := &answer{ResponseWriter: w, data: data, base: h.base}
	t.ServeHTTP(out, inner)
	if data.body.malformed != nil && data.created != "" {
		w.Header().Del("Location")
		return errors.Join(data.fault, store.Drop(context.WithoutCancel(r.Context()), data.created))
	}
	return data.fault
}

const methodOverride = "X-HTTP-Method-Override"

// Method returns the method that a POST stands for (tus 1.0.0, X-HTTP-Method-Override). No other method stands for
// another one. It is empty where several are named, of which a proxy may have seen another one.
func Method(r *http.Request) string {
	switch named := r.Header.Values(methodOverride); {
	case r.Method != http.MethodPost || len(named) == 0:
		return r.Method
	case len(named) == 1:
		return named[0]
	default:
		return ""
	}
}

// Discover answers OPTIONS: what is supported, and how large an upload may be.
func Discover(w http.ResponseWriter, maxSize int64) {
	h := w.Header()
	h.Set("Tus-Version", Version)
	h.Set("Tus-Extension", Extensions)
	h.Set("Tus-Max-Size", strconv.FormatInt(maxSize, 10))
	w.WriteHeader(http.StatusNoContent)
}

// answer passes everything of tusd's through but the error answers, which are the host's to give, and the absolute URL
// of a new upload, which would have to guess the scheme behind a proxy.
type answer struct {
	http.ResponseWriter
	data  *dataStore
	base  string
	begun bool
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status == http.StatusPreconditionFailed {
		a.Header().Set("Tus-Version", Version)
	}
	if a.data.fault == nil && status >= http.StatusInternalServerError {
		a.data.fault = or3cloud.Unavailable(nil, "Upload interrupted", time.Second)
		if a.data.body.malformed != nil {
			a.data.fault = a.data.body.malformed
		}
	}
	if a.Header().Get("Location") != "" {
		a.Header().Set("Location", a.base+"/"+a.data.created)
	}
	if a.data.fault != nil {
		a.Header().Del("Content-Length")
		return
	}
	a.begun = true
	a.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (int, error) {
	if !a.begun && a.data.fault == nil {
		a.WriteHeader(http.StatusOK)
	}
	if a.data.fault != nil {
		return len(p), nil
	}
	return a.ResponseWriter.Write(p)
}

// dataStore is a Store in tusd's terms. It keeps the first error, of which tusd only learns that there is one.
type dataStore struct {
	store        Store
	body         *refusable
	fault        error
	created      string
	interruption interruption
}

var errStore = handler.NewError("ERR_STORE", "the store has refused", http.StatusInternalServerError)

func (d *dataStore) note(err error) error {
	if err == nil {
		return nil
	}
	if d.fault == nil {
		d.fault = err
	}
	return errStore
}

// NewUpload implements handler.DataStore.
func (d *dataStore) NewUpload(ctx context.Context, _ handler.FileInfo) (handler.Upload, error) {
	id, err := d.store.Create(context.WithoutCancel(ctx))
	d.created = id
	return &upload{d, id}, d.note(err)
}

// GetUpload implements handler.DataStore.
func (d *dataStore) GetUpload(_ context.Context, id string) (handler.Upload, error) {
	return &upload{d, id}, nil
}

// AsTerminatableUpload implements handler.TerminaterDataStore.
func (d *dataStore) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	return u.(*upload)
}

// refusable is a body that the host cuts off when its sender loses the permission to send it. tusd would take the
// refusal for a network error.
type refusable struct {
	io.ReadCloser
	data     *dataStore
	start    time.Time
	received int64
	// malformed is the error for a body that is broken. What came before the break counts, as when a connection is cut.
	malformed error
}

// Read implements io.Reader.
func (b *refusable) Read(p []byte) (int, error) {
	// Each read has its own time limit, and a sender that trickles must not go on forever. What has arrived by then
	// counts.
	if time.Since(b.start) > networkTimeout+time.Duration(b.received/slowestUpload)*time.Second {
		return 0, os.ErrDeadlineExceeded
	}
	n, err := b.ReadCloser.Read(p)
	b.received += int64(n)
	var refusal *or3cloud.Error
	switch {
	case !errors.As(err, &refusal):
	case refusal.Code == or3cloud.CodeInvalid:
		b.malformed = refusal
		err = io.ErrUnexpectedEOF
	default:
		_ = b.data.note(refusal)
	}
	return n, err
}

// readFor is the body that a Store gets. It ends with the refusal if there was one, where tusd says that it has just
// ended.
func (d *dataStore) readFor(from io.Reader) io.Reader { return &storeBody{from, d} }

type storeBody struct {
	io.Reader
	data *dataStore
}

// Read implements io.Reader.
func (b *storeBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.data.fault != nil {
		err = b.data.fault
	}
	return n, err
}

// upload is one upload of a dataStore.
type upload struct {
	*dataStore
	id string
}

// GetInfo implements handler.Upload.
func (u *upload) GetInfo(ctx context.Context) (handler.FileInfo, error) {
	size, offset, err := u.store.Find(ctx, u.id)
	return handler.FileInfo{ID: u.id, Size: size, Offset: offset}, u.note(err)
}

// WriteChunk implements handler.Upload. It continues when the connection has gone, with what has arrived by then.
func (u *upload) WriteChunk(ctx context.Context, offset int64, body io.Reader) (int64, error) {
	u.interruption.begin()
	n, err := u.store.Append(context.WithoutCancel(ctx), u.id, offset, u.readFor(body))
	if err == nil && u.body.malformed == nil {
		_, _ = u.body.Read(make([]byte, 1)) // the store has all bytes; only the end of the body shows whether it ends as it should
	}
	if err == nil && u.body.malformed != nil {
		return n, errStore
	}
	return n, u.note(err)
}

// FinishUpload implements handler.Upload. tusd calls it after an error of the body as well.
func (u *upload) FinishUpload(ctx context.Context) error {
	if u.body.malformed != nil {
		return errStore
	}
	return u.note(u.store.Finish(context.WithoutCancel(ctx), u.id))
}

// Terminate implements handler.TerminatableUpload.
func (u *upload) Terminate(ctx context.Context) error {
	return u.note(u.store.Drop(context.WithoutCancel(ctx), u.id))
}

// GetReader implements handler.Upload. Downloads are switched off.
func (u *upload) GetReader(context.Context) (io.ReadCloser, error) {
	return nil, handler.ErrNotImplemented
}

// silent is the log handler for tusd; the host logs requests itself.
type silent struct{}

func (silent) Enabled(context.Context, slog.Level) bool  { return false }
func (silent) Handle(context.Context, slog.Record) error { return nil }
func (s silent) WithAttrs([]slog.Attr) slog.Handler      { return s }
func (s silent) WithGroup(string) slog.Handler           { return s }
