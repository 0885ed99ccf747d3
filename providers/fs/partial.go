package fs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// The pieces of uploads that go on over several connections. Each piece is a file of its own, which has its name only once
// it is durable, so that the names alone say how far an upload has come:
//
//	partial/<id>.json            what is uploaded, by whom, until when
//	partial/<id>.<offset>        a piece and where it begins
//	partial/<id>.tmp-<random>    unfinished
const partialDir = "partial"

const (
	// pieceSize is how many bytes an interruption can cost.
	pieceSize = 16 << 20
	// maxPieces bounds the files of one upload, however small the pieces are that its client sends.
	maxPieces = 2000
	// maxPartials bounds the uploads of one user that are not complete.
	maxPartials = 64
	// maxPartialInfo bounds what is read of the file that describes an upload.
	maxPartialInfo = 64 << 10
	partialInfo    = ".json"
	// offsetDigits make the order of names that of offsets.
	offsetDigits = 19
)

var _ or3cloud.PartialUploads = (*Storage)(nil)

// partialRecord is the file that describes an upload.
type partialRecord struct {
	WorkspaceID string            `json:"workspace_id"`
	UserID      string            `json:"user_id"`
	Hash        or3cloud.BlobHash `json:"hash"`
	SizeBytes   int64             `json:"size_bytes"`
	MIMEType    string            `json:"mime_type"`
	Name        string            `json:"name,omitempty"`
	Kind        string            `json:"kind,omitempty"`
	IntentID    string            `json:"intent_id,omitempty"`
	ExpiresAt   time.Time         `json:"expires_at"`
	StoredAt    *time.Time        `json:"stored_at,omitempty"`
}

func newPartialRecord(p or3cloud.PartialUpload) partialRecord {
	return partialRecord{
		WorkspaceID: p.WorkspaceID, UserID: p.UserID, Hash: p.Hash, SizeBytes: p.SizeBytes, MIMEType: p.MIMEType,
		Name: p.Name, Kind: p.Kind, IntentID: p.IntentID, ExpiresAt: p.ExpiresAt,
	}
}

// piece is a durable part of an upload.
type piece struct {
	offset, size int64
}

func partialPath(id, rest string) string { return path.Join(partialDir, id+rest) }

func piecePath(id string, offset int64) string {
	return partialPath(id, fmt.Sprintf(".%0*d", offsetDigits, offset))
}

// BeginPartial implements or3cloud.PartialUploads.
func (s *Storage) BeginPartial(_ context.Context, in or3cloud.PartialUpload) (or3cloud.PartialUpload, error) {
	k, ok := newKey(in.WorkspaceID, string(in.Hash))
	if !ok || in.SizeBytes < 0 {
		return in, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	if s.Full != nil && s.Full() {
		return in, or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
	}
	err := s.makeRoomForPartial(in.UserID)
	if err == nil {
		err = s.checkRoom(k, in.SizeBytes)
	}
	if err != nil {
		return in, diskFault(err)
	}
	if in.ID, err = randomName(s.Rand); err != nil {
		return in, err
	}
	in.Offset, in.Stored = 0, false
	return in, diskFault(s.writePartial(in.ID, newPartialRecord(in)))
}

// makeRoomForPartial removes what has expired and refuses a user who has begun too much.
func (s *Storage) makeRoomForPartial(user string) error {
	if err := s.makeTopDir(partialDir); err != nil {
		return err
	}
	open, err := s.sweepPartials()
	if err == nil && open[user] >= maxPartials {
		err = or3cloud.Errorf(or3cloud.CodeRateLimited, "Too many unfinished uploads")
	}
	return err
}

// makeTopDir makes a directory of the store durable before something is put into it.
func (s *Storage) makeTopDir(dir string) error {
	if _, err := s.Disk.Lstat(dir); err == nil {
		return nil
	}
	return errors.Join(s.Disk.Mkdir(dir), s.Disk.SyncDir("."))
}

func (s *Storage) writePartial(id string, rec partialRecord) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	random, err := randomName(s.Rand)
	if err != nil {
		return err
	}
	return volume.WriteAtomic(s.Disk, partialPath(id, partialInfo), partialPath(id, tempMark+random), b)
}

// Partial implements or3cloud.PartialUploads.
func (s *Storage) Partial(_ context.Context, id string) (or3cloud.PartialUpload, error) {
	if len(id) != generationLength || !validGeneration(id) {
		return or3cloud.PartialUpload{}, errNoPartial()
	}
	rec, err := s.readPartial(id)
	if errors.Is(err, iofs.ErrNotExist) {
		if err = s.checkStore(); err == nil {
			err = errNoPartial()
		}
	}
	if err != nil {
		return or3cloud.PartialUpload{}, diskFault(err)
	}
	if s.Now().After(rec.ExpiresAt) {
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
	pieces, err := s.pieces(id)
	for _, piece := range pieces {
		p.Offset += piece.size
	}
	return p, diskFault(err)
}

func errNoPartial() error { return or3cloud.Errorf(or3cloud.CodeNotFound, "Upload not found") }

func (s *Storage) readPartial(id string) (rec partialRecord, err error) {
	b, err := volume.ReadAll(s.Disk, partialPath(id, partialInfo), maxPartialInfo)
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, fmt.Errorf("%w %s: %v", volume.ErrCorrupt, partialPath(id, partialInfo), err)
	}
	return rec, nil
}

// pieces returns the durable pieces of an upload in order, from the beginning up to the first gap.
func (s *Storage) pieces(id string) (out []piece, err error) {
	entries, err := s.Disk.ReadDir(partialDir)
	if err != nil {
		return nil, err
	}
	var end int64
	first, _ := slices.BinarySearchFunc(entries, id+".", func(e iofs.DirEntry, name string) int { return cmp.Compare(e.Name(), name) })
	for _, e := range entries[first:] {
		rest, ok := strings.CutPrefix(e.Name(), id+".")
		if !ok {
			break
		}
		offset, err := strconv.ParseInt(rest, 10, 64)
		if len(rest) != offsetDigits || err != nil || offset != end {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, err
		}
		out = append(out, piece{offset, info.Size()})
		end += info.Size()
	}
	return out, nil
}

// AppendPartial implements or3cloud.PartialUploads.
func (s *Storage) AppendPartial(_ context.Context, p or3cloud.PartialUpload, offset int64, body io.Reader) (n int64, err error) {
	defer s.scrub.transferring()()
	room := s.take(p.WorkspaceID)
	defer func() { room.end(n > 0) }()
	pieces, err := s.pieces(p.ID)
	if err != nil {
		return 0, diskFault(err)
	}
	for count := len(pieces); ; count++ {
		switch {
		case offset+n >= p.SizeBytes:
			return n, nil
		case count >= maxPieces:
			return n, or3cloud.Errorf(or3cloud.CodeTooLarge, "The upload has come in too many pieces")
		case s.Full != nil && s.Full():
			return n, or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Insufficient storage")
		}
		size, more, err := s.appendPiece(p.ID, offset+n, io.LimitReader(body, min(pieceSize, p.SizeBytes-offset-n)), room)
		n += size
		if err != nil || !more {
			return n, diskFault(err)
		}
	}
}

// appendPiece makes one piece of what body has and reports whether there may be more. A body that fails has ended: what
// came is good, since the whole is verified in the end, unless the sender has lost the permission to send it.
func (s *Storage) appendPiece(id string, offset int64, body io.Reader, room *taking) (size int64, more bool, err error) {
	random, err := randomName(s.Rand)
	if err != nil {
		return 0, false, err
	}
	tmp := partialPath(id, tempMark+random)
	f, err := s.Disk.Create(tmp)
	if err != nil {
		return 0, false, err
	}
	defer s.Disk.Remove(tmp) // It is not there any more if all went well.
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	out := &failingWriter{Writer: f}
	if room != nil {
		out.Writer = io.MultiWriter(room, f)
	}
	size, copyErr := io.CopyBuffer(out, struct{ io.Reader }{body}, buf[:])
	if err = out.err; err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && refused(copyErr) {
		err = copyErr
	}
	if err != nil || size == 0 {
		return 0, false, err
	}
	if err = s.Disk.Rename(tmp, piecePath(id, offset)); err == nil {
		err = s.Disk.SyncDir(partialDir)
	}
	if err != nil {
		return 0, false, err
	}
	return size, copyErr == nil && size == pieceSize, nil
}

// failingWriter tells a fault of the writer from one of the reader.
type failingWriter struct {
	io.Writer
	err error
}

// Write implements io.Writer.
func (w *failingWriter) Write(p []byte) (n int, err error) {
	n, err = w.Writer.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	w.err = err
	return n, err
}

// StorePartial implements or3cloud.PartialUploads. The pieces take the way of an upload in one piece.
func (s *Storage) StorePartial(ctx context.Context, p or3cloud.PartialUpload) error {
	k, ok := newKey(p.WorkspaceID, string(p.Hash))
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	rec, err := s.readPartial(p.ID)
	if err != nil || rec.StoredAt != nil {
		return diskFault(err)
	}
	pieces, err := s.pieces(p.ID)
	if err != nil {
		return diskFault(err)
	}
	body := &pieceReader{disk: s.Disk, id: p.ID, pieces: pieces}
	defer body.Close()
	if err := s.keep(ctx, k, p.SizeBytes, p.MIMEType, body, nil, nil); err != nil {
		return diskFault(err)
	}
	now := s.Now().UTC()
	rec.StoredAt = &now
	if err := s.writePartial(p.ID, rec); err != nil {
		return diskFault(err)
	}
	// The record stays until it expires, for a client that did not get the answer.
	return diskFault(s.removePartial(p.ID, false))
}

// DropPartial implements or3cloud.PartialUploads.
func (s *Storage) DropPartial(_ context.Context, p or3cloud.PartialUpload) error {
	return diskFault(s.removePartial(p.ID, true))
}

// removePartial removes the files of an upload, the record only if wanted.
func (s *Storage) removePartial(id string, record bool) error {
	// The record goes first: pieces without one are removed by the next sweep.
	if record {
		if err := ignoreAbsence(s.Disk.Remove(partialPath(id, partialInfo))); err != nil {
			return err
		}
	}
	entries, err := s.Disk.ReadDir(partialDir)
	if err != nil {
		return ignoreAbsence(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id+".") && e.Name() != id+partialInfo {
			if err := ignoreAbsence(s.Disk.Remove(path.Join(partialDir, e.Name()))); err != nil {
				return err
			}
		}
	}
	return s.Disk.SyncDir(partialDir)
}

// eachPartial calls visit for every upload, with errCorrupt for one whose record cannot be understood.
func (s *Storage) eachPartial(visit func(id string, rec partialRecord, err error) error) error {
	entries, err := s.Disk.ReadDir(partialDir)
	if err != nil {
		return ignoreAbsence(err)
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), partialInfo)
		if !ok || len(id) != generationLength || !validGeneration(id) {
			continue
		}
		rec, err := s.readPartial(id)
		if errors.Is(err, iofs.ErrNotExist) {
			continue // It has ended meanwhile.
		}
		if err == nil || errors.Is(err, volume.ErrCorrupt) {
			err = visit(id, rec, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sweepPartials removes what has expired, and returns how many uploads of each user are not complete.
func (s *Storage) sweepPartials() (open map[string]int, err error) {
	// Listed before the records are read, so that every record of a listed piece is seen.
	entries, err := s.Disk.ReadDir(partialDir)
	if err != nil {
		return nil, ignoreAbsence(err)
	}
	open, known := map[string]int{}, map[string]bool{}
	err = s.eachPartial(func(id string, rec partialRecord, err error) error {
		known[id] = true
		if err != nil || s.Now().After(rec.ExpiresAt) {
			return ignoreAbsence(s.removePartial(id, true))
		}
		if rec.StoredAt == nil {
			open[rec.UserID]++
		}
		if latest := s.Now().UTC().Add(maxPartialLife); ahead(rec.ExpiresAt, latest) {
			rec.ExpiresAt = latest
			return s.writePartial(id, rec)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return open, s.sweepPieces(entries, known)
}

// sweepPieces removes pieces that belong to no upload and are not just being made.
func (s *Storage) sweepPieces(entries []iofs.DirEntry, known map[string]bool) error {
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if known[id] || len(id) != generationLength || !validGeneration(id) {
			continue
		}
		info, err := e.Info()
		if err == nil && (s.Now().Sub(info.ModTime()) > blobclaim.AbandonedAfter || ahead(info.ModTime(), s.Now())) {
			err = s.Disk.Remove(path.Join(partialDir, e.Name()))
		}
		if ignoreAbsence(err) != nil {
			return err
		}
	}
	return nil
}

// pieceReader reads the pieces of an upload one after the other.
type pieceReader struct {
	disk   volume.Disk
	id     string
	pieces []piece
	open   volume.File
}

// Read implements io.Reader.
func (r *pieceReader) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if len(r.pieces) == 0 {
				return 0, io.EOF
			}
			f, err := r.disk.Open(piecePath(r.id, r.pieces[0].offset))
			if err != nil {
				return 0, err
			}
			r.open, r.pieces = f, r.pieces[1:]
		}
		n, err := r.open.Read(p)
		if err != io.EOF {
			return n, err
		}
		if err = r.Close(); n > 0 || err != nil {
			return n, err
		}
	}
}

// Close closes the piece that is being read.
func (r *pieceReader) Close() error {
	if r.open == nil {
		return nil
	}
	f := r.open
	r.open = nil
	return f.Close()
}
