// Package uploads receives contents: whole, or in pieces over several connections.
package uploads

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/room"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what an Uploads is made of. All are required.
type Options struct {
	Copies *copies.Copies
	Doomed *copies.Doomed
	Temps  *copies.Temps
	Room   *room.Room
}

// Uploads receives contents.
type Uploads struct {
	copies *copies.Copies
	doomed *copies.Doomed
	temps  *copies.Temps
	room   *room.Room
}

// New returns an Uploads.
func New(o Options) *Uploads {
	return &Uploads{copies: o.Copies, doomed: o.Doomed, temps: o.Temps, room: o.Room}
}

// Receive takes the content of a key from body, verifies it and makes it durable. At most limit bytes are accepted;
// fewer are fine if they have the right hash. permitted, if set, is called when everything has arrived and before
// anything is published. Whatever goes wrong, no file of this upload stays behind.
func (u *Uploads) Receive(ctx context.Context, k layout.Key, limit int64, mime string, body io.Reader, permitted func() error) (err error) {
	taking := u.room.Take(k.Workspace)
	defer func() { taking.End(err == nil) }()
	return u.keep(ctx, k, limit, mime, body, permitted, taking)
}

// keep is Receive for bytes that take space as they arrive; taking is nil for those that already have it.
func (u *Uploads) keep(
	ctx context.Context, k layout.Key, limit int64, mime string, body io.Reader, permitted func() error, taking *room.Taking,
) error {
	// Generations that were retired before the start must be known before a stored blob is relied on.
	if err := u.doomed.Load(ctx, k.Workspace); err != nil {
		return err
	}
	out, in := io.Writer(io.Discard), copies.Received{MIMEType: mime}
	var f volume.File
	var sums digest.Sums
	if !u.copies.Present(k) {
		var err error
		if f, in.Blob, err = u.temps.Create(k); err != nil {
			return err
		}
		defer u.temps.Remove(in.Blob)
		defer f.Close()
		out = taking.Through(io.MultiWriter(f, &sums))
	}
	size, sum, err := copyVerified(out, body, digest.NewHash(k.Hash), limit)
	switch {
	case err != nil:
		return err
	case size == 0 && limit > 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Missing upload body")
	case sum != k.Hash.Digest():
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Hash mismatch")
	}
	if in.Size = size; f != nil {
		// Some file systems report a failed write only at close.
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
		if in.Sums, err = u.temps.Write(k, sums.Encode()); err != nil {
			return err
		}
		defer u.temps.Remove(in.Sums)
	}
	if permitted != nil {
		if err := permitted(); err != nil {
			return err
		}
	}
	return u.copies.Settle(ctx, k, in)
}

// copyVerified copies in to out, through h, and returns the number of bytes and the digest in hex. It stops with 413
// once there are more than limit bytes.
func copyVerified(out io.Writer, in io.Reader, h hash.Hash, limit int64) (int64, string, error) {
	buf := volume.TakeBuffer()
	defer volume.GiveBuffer(buf)
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
		if refuse.Revoked(readErr) || or3cloud.CodeOf(readErr) == or3cloud.CodeInvalid { // the body is malformed
			return size, "", readErr
		}
		if readErr != nil {
			return size, "", or3cloud.Unavailable(fmt.Errorf("read upload: %w", readErr), "Upload interrupted", refuse.RetryAfter)
		}
	}
}
