// Package room limits the disk space that the files of a workspace take.
package room

import (
	"io"
	"math"
	"path"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// The sync provider promises space by what rows say (or3cloud.UploadIntents). The disk holds more: deleted files that
// are kept for a while, the trash, uploads that were never committed, pieces, and bytes that are just arriving. All of
// it together may take twice the quota, so that someone who deletes a full workspace's files can fill it again, but not
// again and again.
const trashFactor = 2

// lookPause is the shortest time between two scans of a workspace's directories. In between the sum only rises, and an
// upload that does not fit is refused.
const lookPause = time.Second

// maxRooms is how many workspaces are remembered while they have no upload under way.
const maxRooms = 1000

// Options are what a Room is made of. All are required.
type Options struct {
	Disk   volume.Disk
	Copies *copies.Copies
	Temps  *copies.Temps
	Pieces *pieces.Pieces
	// Quota is how many bytes the files of a workspace may take; 0 means no limit. Deleted ones may take as much again.
	Quota int64
	Now   func() time.Time
}

// Room tracks the disk space that the workspaces take.
type Room struct {
	disk   volume.Disk
	copies *copies.Copies
	temps  *copies.Temps
	pieces *pieces.Pieces
	quota  int64
	now    func() time.Time

	mu sync.Mutex
	of map[string]*taken
}

// New returns a Room that has not looked at any workspace yet.
func New(o Options) *Room {
	return &Room{
		disk: o.Disk, copies: o.Copies, temps: o.Temps, pieces: o.Pieces, quota: o.Quota, now: o.Now, of: map[string]*taken{},
	}
}

// taken is the space that one workspace takes. It is forgotten when no upload is under way.
type taken struct {
	mu      sync.Mutex
	users   int
	stored  int64 // as of the last look, and what has come since
	coming  int64 // of uploads under way
	looked  time.Time
	counted bool
}

// Taking is the space that one upload takes as its bytes arrive. It is an io.Writer that accounts for what it is given.
type Taking struct {
	of        *Room
	workspace string
	room      *taken
	bytes     int64
}

// Take begins to take space of a workspace; it returns nil if there is no limit. End must be called.
func (r *Room) Take(workspace string) *Taking {
	if r.quota <= 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.of[workspace]
	if t == nil {
		t = &taken{}
		r.of[workspace] = t
	}
	t.users++
	return &Taking{of: r, workspace: workspace, room: t}
}

// End returns the space, or leaves it to the stored file.
func (t *Taking) End(stored bool) {
	if t == nil {
		return
	}
	t.room.mu.Lock()
	t.room.coming -= t.bytes
	if stored {
		t.room.stored += t.bytes
	}
	t.room.mu.Unlock()
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	if t.room.users--; t.room.users == 0 && len(t.of.of) > maxRooms {
		delete(t.of.of, t.workspace)
	}
}

// Through returns a writer that takes space for bytes before they go to w.
func (t *Taking) Through(w io.Writer) io.Writer {
	if t == nil {
		return w
	}
	return io.MultiWriter(t, w)
}

// Write implements io.Writer. The error is CodeTooLarge if the workspace has no space for the bytes.
func (t *Taking) Write(p []byte) (int, error) {
	if err := t.more(int64(len(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// more takes space for n bytes.
func (t *Taking) more(n int64) error {
	if t == nil {
		return nil
	}
	r, limit := t.room, t.of.quota
	if limit > math.MaxInt64/trashFactor {
		return nil
	}
	limit *= trashFactor
	r.mu.Lock()
	defer r.mu.Unlock()
	now := t.of.now()
	if !r.counted || r.stored+r.coming+n > limit && (now.Sub(r.looked) >= lookPause || now.Before(r.looked)) {
		stored, err := t.of.stored(t.workspace)
		if err != nil {
			return err
		}
		r.stored, r.looked, r.counted = stored, now, true
	}
	if projected := r.stored + r.coming + n; projected > limit {
		return or3cloud.Errorf(or3cloud.CodeTooLarge, "Workspace storage quota exceeded (%d > %d bytes, with deleted files)", projected, limit)
	}
	r.coming += n
	t.bytes += n
	return nil
}

// Check refuses an upload that would not fit, before it is sent.
func (r *Room) Check(k layout.Key, size int64) error {
	if r.quota <= 0 || r.copies.Present(k) {
		return nil
	}
	t := r.Take(k.Workspace)
	defer t.End(false)
	return t.more(size)
}

// stored adds up what a workspace takes on the disk: files in use, deleted, in the trash and set aside, leftovers, and
// pieces. Files that are being written are counted elsewhere.
func (r *Room) stored(workspace string) (sum int64, err error) {
	for _, dir := range []string{layout.Workspaces, layout.Trash, layout.Quarantine} {
		dir = path.Join(dir, workspace)
		entries, err := r.disk.ReadDir(dir)
		if volume.IgnoreAbsence(err) != nil {
			return 0, err
		}
		for _, e := range entries {
			if r.temps.IsUnfinished(path.Join(dir, e.Name())) {
				continue
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				sum += info.Size()
			} else if volume.IgnoreAbsence(err) != nil {
				return 0, err
			}
		}
	}
	pieces, err := r.pieces.Stored(workspace)
	return sum + pieces, err
}
