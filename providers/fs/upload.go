package fs

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

const (
	// bufferSize is what a transfer holds in memory.
	bufferSize = 128 << 10
	// idleTimeout ends an upload from which nothing has come for so long. A slow client is fine, a dead one is not.
	idleTimeout = 60 * time.Second
	// slowestUpload is how many bytes a second an upload has to make on the whole.
	slowestUpload = 4 << 10
)

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// upload is PUT /api/storage/fs/upload (contract, storage §7.4).
func (s *Storage) upload(w http.ResponseWriter, r *http.Request) error {
	c, k, err := s.admit(r, opUpload, or3cloud.PermWorkspaceWrite)
	if err != nil {
		return err
	}
	if c.MIME != "" && essence(r.Header.Get("Content-Type")) != essence(c.MIME) {
		return or3cloud.Errorf(or3cloud.CodeUnsupportedMedia, "Content type mismatch")
	}
	if r.ContentLength > c.Size {
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "Payload too large")
	}
	defer s.scrub.transferring()()
	if s.Full != nil && s.Full() {
		// Refused before it is read: an upload that fails half-way has taken the room that others need to free some.
		return or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	}
	end, err := s.transfers.begin(r.Context(), k, c.User)
	if err != nil {
		return err
	}
	defer end()
	permitted := func() error {
		_, err := s.Host.Authorize(r, or3cloud.PermWorkspaceWrite, c.Workspace)
		return err
	}
	if err := s.receive(r.Context(), k, c.Size, c.MIME, newBodyReader(w, r, c.Size), permitted); err != nil {
		return diskFault(err)
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(struct {
		OK        bool   `json:"ok"`
		StorageID string `json:"storage_id"`
	}{true, k.storageID()})
}

// receive takes the content of a key from body, verifies it and makes it durable. At most limit bytes are accepted;
// fewer are fine if they have the right hash. permitted, if set, is asked when everything has come and before anything is
// published. Whatever goes wrong, no file of this upload stays behind.
func (s *Storage) receive(ctx context.Context, k blobKey, limit int64, mime string, body io.Reader, permitted func() error) (err error) {
	room := s.take(k.workspace)
	defer func() { room.end(err == nil) }()
	return s.keep(ctx, k, limit, mime, body, permitted, room)
}

// keep is receive of bytes that take room as they come; room is nil for those that have it already.
func (s *Storage) keep(
	ctx context.Context, k blobKey, limit int64, mime string, body io.Reader, permitted func() error, room *taking,
) error {
	// What was retired before the start must be known before a stored blob is relied on.
	if err := s.loadRetired(ctx, k.workspace); err != nil {
		return err
	}
	out, in := io.Writer(io.Discard), received{mime: mime}
	var f volume.File
	var sums blockSums
	if !s.present(k) {
		var err error
		if f, in.blob, err = s.createTemp(k); err != nil {
			return err
		}
		defer s.removeTemp(in.blob)
		defer f.Close()
		out = io.MultiWriter(f, &sums)
		if room != nil {
			out = io.MultiWriter(room, out)
		}
	}
	size, digest, err := copyVerified(out, body, newHash(k.hash), limit)
	switch {
	case err != nil:
		return err
	case size == 0 && limit > 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Missing upload body")
	case digest != k.hash.Digest():
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Hash mismatch")
	}
	if in.size = size; f != nil {
		// Some file systems report a failed write only at close.
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if in.sums, err = s.writeTemp(k, sums.encode()); err != nil {
			return err
		}
		defer s.removeTemp(in.sums)
	}
	if permitted != nil {
		if err := permitted(); err != nil {
			return err
		}
	}
	return s.settle(ctx, k, in)
}

// received is verified content: the paths of its durable temporary files, empty if it was thought to be there already.
type received struct {
	blob, sums string
	size       int64
	mime       string
}

// writeTemp makes a durable temporary file, which the caller renames or removes with removeTemp.
func (s *Storage) writeTemp(k blobKey, content []byte) (string, error) {
	f, name, err := s.createTemp(k)
	if err != nil {
		return "", err
	}
	n, err := f.Write(content)
	if err == nil && n < len(content) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		s.removeTemp(name)
	}
	return name, err
}

func (s *Storage) createTemp(k blobKey) (volume.File, string, error) {
	random, err := randomName(s.Rand)
	if err != nil {
		return nil, "", err
	}
	if err := s.makeDir(workspacesDir, k.workspace); err != nil {
		return nil, "", err
	}
	name := k.temp(random)
	s.set(s.unfinished, name, true)
	f, err := s.Disk.Create(name)
	if err != nil {
		s.set(s.unfinished, name, false)
	}
	return f, name, err
}

// removeTemp removes a temporary file. After a successful upload there is none any more.
func (s *Storage) removeTemp(name string) {
	s.Disk.Remove(name)
	s.set(s.unfinished, name, false)
}

func newHash(h or3cloud.BlobHash) hash.Hash {
	if h.Algorithm() == "md5" {
		return md5.New() // For files of old clients (contract, storage §11); it addresses content, it proves nothing.
	}
	return sha256.New()
}

// copyVerified copies in to out, through h, and returns the number of bytes and the digest in hex. It stops with 413
// as soon as there are more than limit bytes.
func copyVerified(out io.Writer, in io.Reader, h hash.Hash, limit int64) (int64, string, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	var size int64
	for {
		n, readErr := in.Read(buf[:])
		if size += int64(n); size > limit {
			return size, "", or3cloud.Errorf(or3cloud.CodeTooLarge, "Payload too large")
		}
		h.Write(buf[:n])
		if m, err := out.Write(buf[:n]); err != nil {
			return size, "", err
		} else if m < n {
			return size, "", io.ErrShortWrite
		}
		if readErr == io.EOF {
			return size, hex.EncodeToString(h.Sum(nil)), nil
		}
		if refused(readErr) || or3cloud.CodeOf(readErr) == or3cloud.CodeInvalid { // the body is malformed
			return size, "", readErr
		}
		if readErr != nil {
			return size, "", or3cloud.Unavailable(fmt.Errorf("read upload: %w", readErr), "Upload interrupted", retryAfter)
		}
	}
}

// refused reports whether a body was broken off because its sender has lost the permission to send it.
func refused(err error) bool {
	code := or3cloud.CodeOf(err)
	return code == or3cloud.CodeUnauthenticated || code == or3cloud.CodeForbidden
}

// bodyReader reads a request body. It gives the client a fresh span of time for each read, and an end for all of them.
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

// Read implements io.Reader. The deadline is the network's, so it is in real time. A writer that has no deadlines,
// such as a test's, goes without.
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
