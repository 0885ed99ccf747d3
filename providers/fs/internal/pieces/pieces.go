// Package pieces keeps the pieces of uploads that span several connections. Each piece is a file of its own, which gets
// its name only once it is durable, so that the names alone say how far an upload has come:
//
//	partial/<id>.json            what is uploaded, by whom, until when
//	partial/<id>.<offset>        a piece and where it begins
//	partial/<id>.tmp-<random>    unfinished
package pieces

import (
	"cmp"
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
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/times"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Dir has the uploads.
const Dir = "partial"

const (
	// MaxPiece is how many bytes an interruption can cost.
	MaxPiece = 16 << 20
	// MaxPieces limits the files of one upload, however small the pieces are that its client sends.
	MaxPieces = 2000
	// MaxOpen limits the incomplete uploads of one user.
	MaxOpen = 64
	// maxInfo limits what is read of the file that describes an upload.
	maxInfo = 64 << 10
	// Info is the suffix of that file's name.
	Info = ".json"
	// offsetDigits makes names sort by offset.
	offsetDigits = 19
)

// maxLife is longer than any upload in pieces can be resumed.
const maxLife = 48 * time.Hour

// Record is the file that describes an upload.
type Record struct {
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

// NewRecord describes an upload.
func NewRecord(p or3cloud.PartialUpload) Record {
	return Record{
		WorkspaceID: p.WorkspaceID, UserID: p.UserID, Hash: p.Hash, SizeBytes: p.SizeBytes, MIMEType: p.MIMEType,
		Name: p.Name, Kind: p.Kind, IntentID: p.IntentID, ExpiresAt: p.ExpiresAt,
	}
}

// Piece is a durable part of an upload.
type Piece struct {
	offset, Size int64
}

// Path is the path of a file of an upload.
func Path(id, rest string) string { return path.Join(Dir, id+rest) }

// PiecePath is the path of a piece.
func PiecePath(id string, offset int64) string {
	return Path(id, fmt.Sprintf(".%0*d", offsetDigits, offset))
}

// Options are what a Pieces is made of. All are required.
type Options struct {
	Disk volume.Disk
	Now  func() time.Time
	Rand io.Reader
}

// Pieces are the uploads that come in pieces, as they are on the disk.
type Pieces struct {
	disk   volume.Disk
	now    func() time.Time
	random io.Reader
}

// New returns the Pieces of a disk.
func New(o Options) *Pieces { return &Pieces{disk: o.Disk, now: o.Now, random: o.Rand} }

// MakeRoom removes what has expired and refuses a user who has begun too many uploads.
func (p *Pieces) MakeRoom(user string) error {
	if err := p.makeDir(); err != nil {
		return err
	}
	open, err := p.Sweep()
	if err == nil && open[user] >= MaxOpen {
		err = or3cloud.Errorf(or3cloud.CodeRateLimited, "Too many unfinished uploads")
	}
	return err
}

// makeDir makes the directory durable before something is put into it.
func (p *Pieces) makeDir() error {
	if _, err := p.disk.Lstat(Dir); err == nil {
		return nil
	}
	return errors.Join(p.disk.Mkdir(Dir), p.disk.SyncDir("."))
}

// Write makes the record of an upload durable.
func (p *Pieces) Write(id string, rec Record) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	random, err := layout.RandomName(p.random)
	if err != nil {
		return err
	}
	return volume.WriteAtomic(p.disk, Path(id, Info), Path(id, layout.TempMark+random), b)
}

// Read returns the record of an upload; the error is iofs.ErrNotExist if there is none.
func (p *Pieces) Read(id string) (rec Record, err error) {
	b, err := volume.ReadAll(p.disk, Path(id, Info), maxInfo)
	if err != nil {
		return rec, err
	}
	if err := json.Unmarshal(b, &rec); err != nil {
		return rec, fmt.Errorf("%w %s: %v", volume.ErrCorrupt, Path(id, Info), err)
	}
	return rec, nil
}

// List returns the durable pieces of an upload in order, from the beginning up to the first gap.
func (p *Pieces) List(id string) (out []Piece, err error) {
	entries, err := p.disk.ReadDir(Dir)
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
		out = append(out, Piece{offset, info.Size()})
		end += info.Size()
	}
	return out, nil
}

// Append makes one piece from body and reports whether there may be more. A body that fails has ended: what came is
// good, since the whole is verified in the end, unless the sender has lost the permission to send it.
func (p *Pieces) Append(id string, offset int64, body io.Reader, through func(io.Writer) io.Writer) (size int64, more bool, err error) {
	random, err := layout.RandomName(p.random)
	if err != nil {
		return 0, false, err
	}
	tmp := Path(id, layout.TempMark+random)
	f, err := p.disk.Create(tmp)
	if err != nil {
		return 0, false, err
	}
	defer p.disk.Remove(tmp) // It no longer exists if all went well.
	buf := volume.TakeBuffer()
	defer volume.GiveBuffer(buf)
	out := &failingWriter{Writer: through(f)}
	size, copyErr := io.CopyBuffer(out, struct{ io.Reader }{body}, buf[:])
	if err = out.err; err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil && refuse.Revoked(copyErr) {
		err = copyErr
	}
	if err != nil || size == 0 {
		return 0, false, err
	}
	if err = p.disk.Rename(tmp, PiecePath(id, offset)); err == nil {
		err = p.disk.SyncDir(Dir)
	}
	if err != nil {
		return 0, false, err
	}
	return size, copyErr == nil && size == MaxPiece, nil
}

// failingWriter tells an error of the writer from one of the reader.
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

// Remove removes the files of an upload, the record only if wanted.
func (p *Pieces) Remove(id string, record bool) error {
	// The record goes first: pieces without one are removed by the next sweep.
	if record {
		if err := volume.IgnoreAbsence(p.disk.Remove(Path(id, Info))); err != nil {
			return err
		}
	}
	entries, err := p.disk.ReadDir(Dir)
	if err != nil {
		return volume.IgnoreAbsence(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), id+".") && e.Name() != id+Info {
			if err := volume.IgnoreAbsence(p.disk.Remove(path.Join(Dir, e.Name()))); err != nil {
				return err
			}
		}
	}
	return p.disk.SyncDir(Dir)
}

// Each calls visit for every upload, with volume.ErrCorrupt for one whose record cannot be understood.
func (p *Pieces) Each(visit func(id string, rec Record, err error) error) error {
	entries, err := p.disk.ReadDir(Dir)
	if err != nil {
		return volume.IgnoreAbsence(err)
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), Info)
		if !ok || len(id) != layout.GenerationLength || !layout.ValidGeneration(id) {
			continue
		}
		rec, err := p.Read(id)
		if errors.Is(err, iofs.ErrNotExist) {
			continue // It has ended in the meantime.
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

// Sweep removes what has expired, and returns how many incomplete uploads each user has.
func (p *Pieces) Sweep() (open map[string]int, err error) {
	// Listed before the records are read, so that the record of every listed piece is seen.
	entries, err := p.disk.ReadDir(Dir)
	if err != nil {
		return nil, volume.IgnoreAbsence(err)
	}
	open, known := map[string]int{}, map[string]bool{}
	err = p.Each(func(id string, rec Record, err error) error {
		known[id] = true
		if err != nil || p.now().After(rec.ExpiresAt) {
			return volume.IgnoreAbsence(p.Remove(id, true))
		}
		if rec.StoredAt == nil {
			open[rec.UserID]++
		}
		if latest := p.now().UTC().Add(maxLife); times.Ahead(rec.ExpiresAt, latest) {
			rec.ExpiresAt = latest
			return p.Write(id, rec)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return open, p.sweepPieces(entries, known)
}

// sweepPieces removes pieces that belong to no upload and are not being written.
func (p *Pieces) sweepPieces(entries []iofs.DirEntry, known map[string]bool) error {
	for _, e := range entries {
		id, _, _ := strings.Cut(e.Name(), ".")
		if known[id] || len(id) != layout.GenerationLength || !layout.ValidGeneration(id) {
			continue
		}
		info, err := e.Info()
		if err == nil && (p.now().Sub(info.ModTime()) > blobclaim.AbandonedAfter || times.Ahead(info.ModTime(), p.now())) {
			err = p.disk.Remove(path.Join(Dir, e.Name()))
		}
		if volume.IgnoreAbsence(err) != nil {
			return err
		}
	}
	return nil
}

// Stored adds up the durable pieces of uploads into a workspace.
func (p *Pieces) Stored(workspace string) (sum int64, err error) {
	mine := map[string]bool{}
	err = p.Each(func(id string, rec Record, err error) error {
		mine[id] = err == nil && rec.WorkspaceID == workspace
		return nil
	})
	if err != nil {
		return 0, err
	}
	entries, err := p.disk.ReadDir(Dir)
	if volume.IgnoreAbsence(err) != nil {
		return 0, err
	}
	for _, e := range entries {
		id, rest, _ := strings.Cut(e.Name(), ".")
		if !mine[id] || len(rest) != offsetDigits {
			continue
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		} else if volume.IgnoreAbsence(err) != nil {
			return 0, err
		}
	}
	return sum, nil
}

// Open returns a reader of the pieces of an upload, one after the other.
func (p *Pieces) Open(id string, of []Piece) io.ReadCloser {
	return &pieceReader{disk: p.disk, id: id, pieces: of}
}

// pieceReader reads the pieces of an upload one after the other.
type pieceReader struct {
	disk   volume.Disk
	id     string
	pieces []Piece
	open   volume.File
}

// Read implements io.Reader.
func (r *pieceReader) Read(p []byte) (int, error) {
	for {
		if r.open == nil {
			if len(r.pieces) == 0 {
				return 0, io.EOF
			}
			f, err := r.disk.Open(PiecePath(r.id, r.pieces[0].offset))
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
