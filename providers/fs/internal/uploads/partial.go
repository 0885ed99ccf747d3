package uploads

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/room"
	"or3.chat/cloud/providers/fs/internal/traffic"
)

// PartialOptions are what a Partials is made of. All are required but Full.
type PartialOptions struct {
	Uploads *Uploads
	Pieces  *pieces.Pieces
	Copies  *copies.Copies
	Room    *room.Room
	Traffic *traffic.Traffic
	// Full reports whether the disk has no space for uploads; nil means never.
	Full func() bool
	Now  func() time.Time
	Rand io.Reader
}

// Partials receives uploads in pieces.
type Partials struct {
	uploads *Uploads
	pieces  *pieces.Pieces
	copies  *copies.Copies
	room    *room.Room
	traffic *traffic.Traffic
	full    func() bool
	now     func() time.Time
	random  io.Reader
}

var _ or3cloud.PartialUploads = (*Partials)(nil)

// NewPartials returns a Partials.
func NewPartials(o PartialOptions) *Partials {
	return &Partials{
		uploads: o.Uploads, pieces: o.Pieces, copies: o.Copies, room: o.Room, traffic: o.Traffic, full: o.Full, now: o.Now, random: o.Rand,
	}
}

// BeginPartial implements or3cloud.PartialUploads.
func (a *Partials) BeginPartial(_ context.Context, in or3cloud.PartialUpload) (or3cloud.PartialUpload, error) {
	k, ok := layout.NewKey(in.WorkspaceID, string(in.Hash))
	if !ok || in.SizeBytes < 0 {
		return in, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	if a.full != nil && a.full() {
		return in, or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	}
	err := a.pieces.MakeRoom(in.UserID)
	if err == nil {
		err = a.room.Check(k, in.SizeBytes)
	}
	if err != nil {
		return in, refuse.Disk(err)
	}
	if in.ID, err = layout.RandomName(a.random); err != nil {
		return in, err
	}
	in.Offset, in.Stored = 0, false
	return in, refuse.Disk(a.pieces.Write(in.ID, pieces.NewRecord(in)))
}

// Partial implements or3cloud.PartialUploads.
func (a *Partials) Partial(_ context.Context, id string) (or3cloud.PartialUpload, error) {
	if len(id) != layout.GenerationLength || !layout.ValidGeneration(id) {
		return or3cloud.PartialUpload{}, errNoPartial()
	}
	rec, err := a.pieces.Read(id)
	if errors.Is(err, iofs.ErrNotExist) {
		if err = a.copies.Check(); err == nil {
			err = errNoPartial()
		}
	}
	if err != nil {
		return or3cloud.PartialUpload{}, refuse.Disk(err)
	}
	if a.now().After(rec.ExpiresAt) {
		return or3cloud.PartialUpload{}, errNoPartial()
	}
	p := or3cloud.PartialUpload{
		ID: id, WorkspaceID: rec.WorkspaceID, UserID: rec.UserID, Hash: rec.Hash, SizeBytes: rec.SizeBytes, MIMEType: rec.MIMEType,
		Name: rec.Name, Kind: rec.Kind, IntentID: rec.IntentID, ExpiresAt: rec.ExpiresAt, Stored: rec.StoredAt != nil,
	}
	if p.Stored {
		p.Offset = p.SizeBytes
		return p, nil
	}
	parts, err := a.pieces.List(id)
	for _, piece := range parts {
		p.Offset += piece.Size
	}
	return p, refuse.Disk(err)
}

func errNoPartial() error { return or3cloud.Errorf(or3cloud.CodeNotFound, "Upload not found") }

// AppendPartial implements or3cloud.PartialUploads.
func (a *Partials) AppendPartial(_ context.Context, p or3cloud.PartialUpload, offset int64, body io.Reader) (n int64, err error) {
	defer a.traffic.Transfer()()
	taking := a.room.Take(p.WorkspaceID)
	defer func() { taking.End(n > 0) }()
	parts, err := a.pieces.List(p.ID)
	if err != nil {
		return 0, refuse.Disk(err)
	}
	for count := len(parts); ; count++ {
		switch {
		case offset+n >= p.SizeBytes:
			return n, nil
		case count >= pieces.MaxPieces:
			return n, or3cloud.Errorf(or3cloud.CodeTooLarge, "The upload has come in too many pieces")
		case a.full != nil && a.full():
			return n, or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
		}
		size, more, err := a.pieces.Append(p.ID, offset+n, io.LimitReader(body, min(pieces.MaxPiece, p.SizeBytes-offset-n)), taking.Through)
		n += size
		if err != nil || !more {
			return n, refuse.Disk(err)
		}
	}
}

// StorePartial implements or3cloud.PartialUploads. The pieces are stored like an upload in one piece.
func (a *Partials) StorePartial(ctx context.Context, p or3cloud.PartialUpload) error {
	k, ok := layout.NewKey(p.WorkspaceID, string(p.Hash))
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	rec, err := a.pieces.Read(p.ID)
	if err != nil || rec.StoredAt != nil {
		return refuse.Disk(err)
	}
	parts, err := a.pieces.List(p.ID)
	if err != nil {
		return refuse.Disk(err)
	}
	body := a.pieces.Open(p.ID, parts)
	defer body.Close()
	if err := a.uploads.keep(ctx, k, p.SizeBytes, p.MIMEType, body, nil, nil); err != nil {
		return refuse.Disk(err)
	}
	now := a.now().UTC()
	rec.StoredAt = &now
	if err := a.pieces.Write(p.ID, rec); err != nil {
		return refuse.Disk(err)
	}
	// The record stays until it expires, for a client that did not get the answer.
	return refuse.Disk(a.pieces.Remove(p.ID, false))
}

// DropPartial implements or3cloud.PartialUploads.
func (a *Partials) DropPartial(_ context.Context, p or3cloud.PartialUpload) error {
	return refuse.Disk(a.pieces.Remove(p.ID, true))
}
