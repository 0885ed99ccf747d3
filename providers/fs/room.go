package fs

import (
	"context"
	"math"
	"path"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
)

// The sync provider promises room by what rows say (or3cloud.UploadIntents). What is on the disk is more: deleted files that
// are kept for a while, the trash, uploads that were never committed, pieces, and bytes that are just coming. All of it
// together may take twice the quota, so that whoever deletes a full workspace's files can fill it again, but not for ever.
const trashFactor = 2

const (
	// lookPause is how often the directories of a workspace are added up at most. In between the sum only rises, and an
	// upload that does not fit is refused.
	lookPause = time.Second
	// turnPatience is how long an upload waits for another one of the same content.
	turnPatience = 20 * time.Second
	// maxTransfers is how many uploads of one user there are at once, waiting ones included. A browser has four in a tab.
	maxTransfers = 32
)

// rooms keeps what the workspaces take on the disk.
type rooms struct {
	mu sync.Mutex
	of map[string]*room
}

// room is what one workspace takes. It is forgotten when nothing is under way.
type room struct {
	mu      sync.Mutex
	users   int
	stored  int64 // as of the last look, and what has come since
	coming  int64 // of uploads under way
	looked  time.Time
	counted bool
}

// taking is the room that one upload takes as its bytes come. It is an io.Writer that takes what it is given.
type taking struct {
	s         *Storage
	workspace string
	room      *room
	bytes     int64
}

// take begins to take room of a workspace; nil if there is no bound. end must be called.
func (s *Storage) take(workspace string) *taking {
	if s.Quota <= 0 {
		return nil
	}
	s.rooms.mu.Lock()
	defer s.rooms.mu.Unlock()
	if s.rooms.of == nil {
		s.rooms.of = map[string]*room{}
	}
	r := s.rooms.of[workspace]
	if r == nil {
		r = &room{}
		s.rooms.of[workspace] = r
	}
	r.users++
	return &taking{s: s, workspace: workspace, room: r}
}

// end gives the room back, or leaves it to what was stored.
func (t *taking) end(stored bool) {
	if t == nil {
		return
	}
	t.room.mu.Lock()
	t.room.coming -= t.bytes
	if stored {
		t.room.stored += t.bytes
	}
	t.room.mu.Unlock()
	t.s.rooms.mu.Lock()
	defer t.s.rooms.mu.Unlock()
	if t.room.users--; t.room.users == 0 && len(t.s.rooms.of) > maxRooms {
		delete(t.s.rooms.of, t.workspace)
	}
}

// maxRooms is how many workspaces are remembered while nothing is under way in them.
const maxRooms = 1000

// Write implements io.Writer: CodeTooLarge if the workspace has no room for the bytes.
func (t *taking) Write(p []byte) (int, error) {
	if err := t.more(int64(len(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// more takes room for n bytes.
func (t *taking) more(n int64) error {
	if t == nil {
		return nil
	}
	r, limit := t.room, t.s.Quota
	if limit > math.MaxInt64/trashFactor {
		return nil
	}
	limit *= trashFactor
	r.mu.Lock()
	defer r.mu.Unlock()
	now := t.s.Now()
	if !r.counted || r.stored+r.coming+n > limit && (now.Sub(r.looked) >= lookPause || now.Before(r.looked)) {
		stored, err := t.s.stored(t.workspace)
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

// checkRoom refuses an upload that would not fit, before it is sent.
func (s *Storage) checkRoom(k blobKey, size int64) error {
	if s.Quota <= 0 || s.present(k) {
		return nil
	}
	t := s.take(k.workspace)
	defer t.end(false)
	return t.more(size)
}

// stored adds up what a workspace takes on the disk: files in use, deleted, in the trash and set aside, left-overs, and
// pieces. What is being written counts elsewhere.
func (s *Storage) stored(workspace string) (sum int64, err error) {
	for _, dir := range []string{workspacesDir, trashDir, quarantineDir} {
		dir = path.Join(dir, workspace)
		entries, err := s.Disk.ReadDir(dir)
		if ignoreAbsence(err) != nil {
			return 0, err
		}
		for _, e := range entries {
			if s.isUnfinished(path.Join(dir, e.Name())) {
				continue
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				sum += info.Size()
			} else if ignoreAbsence(err) != nil {
				return 0, err
			}
		}
	}
	pieces, err := s.storedPieces(workspace)
	return sum + pieces, err
}

// storedPieces adds up the durable pieces of uploads into a workspace.
func (s *Storage) storedPieces(workspace string) (sum int64, err error) {
	mine := map[string]bool{}
	err = s.eachPartial(func(id string, rec partialRecord, err error) error {
		mine[id] = err == nil && rec.WorkspaceID == workspace
		return nil
	})
	if err != nil {
		return 0, err
	}
	entries, err := s.Disk.ReadDir(partialDir)
	if ignoreAbsence(err) != nil {
		return 0, err
	}
	for _, e := range entries {
		id, rest, _ := strings.Cut(e.Name(), ".")
		if !mine[id] || len(rest) != offsetDigits {
			continue
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		} else if ignoreAbsence(err) != nil {
			return 0, err
		}
	}
	return sum, nil
}

// transfers lets one upload of a content through at a time, and a number of uploads of a user.
type transfers struct {
	turns keyLocks
	mu    sync.Mutex
	users map[string]int
}

// begin waits until no other upload of the content is under way. A second one would hold as many bytes again, and finds the
// content there when the first is done.
func (t *transfers) begin(ctx context.Context, k blobKey, user string) (end func(), err error) {
	t.mu.Lock()
	if t.users == nil {
		t.users = map[string]int{}
	}
	if t.users[user] >= maxTransfers {
		t.mu.Unlock()
		return nil, &or3cloud.Error{Code: or3cloud.CodeRateLimited, Message: "Too many uploads at once", RetryAfter: retryAfter}
	}
	t.users[user]++
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.users[user]--; t.users[user] == 0 {
			delete(t.users, user)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, turnPatience)
	defer cancel()
	unlock, err := t.turns.lockWithin(ctx, k)
	if err != nil {
		leave()
		return nil, or3cloud.Unavailable(err, "Another upload of this file is under way", retryAfter)
	}
	return func() { unlock(); leave() }, nil
}
