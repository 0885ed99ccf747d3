package fs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// The scrub reads every file back within seven days: a pass takes at most scrubSpan, and the next one begins scrubRest
// after it.
const (
	scrubRest = 3 * 24 * time.Hour
	scrubSpan = 3 * 24 * time.Hour
	// scrubRate in bytes per second is slow enough for a few percent of one core where SHA-256 runs at 400 MB/s, and
	// enough for 2 TB in scrubSpan. A larger store is read faster.
	scrubRate = 8 << 20
	// scrubDelay leaves a server that has just started to its clients, and commands that open the store alone.
	scrubDelay = time.Minute
	// scrubRetry is how long it waits after a fault of the store.
	scrubRetry = 10 * time.Minute
	// scrubSave is how often the position is written down, at most.
	scrubSave = time.Minute
	// scrubYield is how long the scrub waits before it looks again whether transfers are under way.
	scrubYield = time.Second
	// scrubFile remembers how far the scrub has come.
	scrubFile    = ".or3-scrub.json"
	maxScrubFile = 64 << 20
)

// progress is what the scrub remembers across restarts.
type progress struct {
	// PassStarted is zero between two passes.
	PassStarted time.Time `json:"pass_started,omitzero"`
	Position    string    `json:"position,omitempty"`
	Files       int64     `json:"files"`
	Bytes       int64     `json:"bytes"`
	// LastPass is when the last complete pass ended; the numbers are what it read.
	LastPass      time.Time `json:"last_pass,omitzero"`
	LastPassFiles int64     `json:"last_pass_files,omitempty"`
	LastPassBytes int64     `json:"last_pass_bytes,omitempty"`
	// Damaged has the contents that were found to be damaged and not replaced, and when they were found.
	Damaged map[string]time.Time `json:"damaged,omitempty"`
}

// scrub reads the store back, all the time and slowly. Its zero value is not running.
type scrub struct {
	loop *background.Loop
	// transfers counts the uploads and downloads under way, to which the scrub gives way.
	transfers atomic.Int64

	mu sync.Mutex
	progress
}

// transferring counts a transfer until the function that it returns is called.
func (s *scrub) transferring() (done func()) {
	s.transfers.Add(1)
	return func() { s.transfers.Add(-1) }
}

// damaged notes that a content is damaged and reports whether that is news.
func (s *scrub) damaged(k blobKey, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.Damaged[k.storageID()]
	if s.Damaged == nil {
		s.Damaged = map[string]time.Time{}
	}
	s.Damaged[k.storageID()] = at
	return !known
}

// mended notes that a damaged content has been replaced.
func (s *scrub) mended(k blobKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.Damaged, k.storageID())
}

// startScrub starts the scrub where an earlier process has left it.
func (s *Storage) startScrub() {
	if err := s.loadProgress(); err != nil {
		s.Log.Warn("how far the files were read back is not known; it begins anew", "err", err)
	}
	s.scrub.loop = background.Start(background.Task{
		Name: "reading the files back", Log: s.Log, Delay: scrubDelay, Run: s.scrubIfDue, Pause: s.scrubPause,
	})
}

func (s *Storage) stopScrub() {
	if s.scrub.loop == nil {
		return
	}
	s.scrub.loop.Close()
	if err := s.saveProgress(); err != nil {
		s.Log.Warn("how far the files were read back cannot be written down", "err", err)
	}
}

// scrubDue returns how long the next pass is away. The clock of a pass is the one of the records, so that it survives
// restarts; the pauses are in real time.
func (s *Storage) scrubDue() time.Duration { return s.scrub.nextPass(s.Now()).Sub(s.Now()) }

func (s *Storage) scrubIfDue(ctx context.Context) error {
	if s.scrubDue() > 0 {
		return nil
	}
	return s.scrubPass(ctx)
}

func (s *Storage) scrubPause(err error) time.Duration {
	if err != nil {
		return scrubRetry
	}
	if due := s.scrubDue(); due > 0 {
		return min(due, time.Hour) // a clock that is set does not stop it for long
	}
	return scrubDelay
}

// nextPass is when a pass is due; one that is under way is.
func (s *scrub) nextPass(now time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(now)
	if !s.PassStarted.IsZero() || s.LastPass.IsZero() {
		return time.Time{}
	}
	return s.LastPass.Add(scrubRest)
}

// scrubPass goes on with the pass that is under way, or begins one.
func (s *Storage) scrubPass(ctx context.Context) error {
	after, pace := s.beginPass()
	saved := time.Now()
	err := s.walk(ctx, "", after, func(c copyOf) error {
		size, err := s.scrubOne(ctx, c, pace)
		if err != nil {
			return err
		}
		s.scrub.advance(c.position(), size)
		if time.Since(saved) < scrubSave {
			return nil
		}
		saved = time.Now()
		return s.saveProgress()
	})
	if err != nil {
		return errors.Join(err, s.saveProgress())
	}
	s.endPass()
	return s.saveProgress()
}

// scrubOne reads one copy back. Damage has been noted and logged by then.
func (s *Storage) scrubOne(ctx context.Context, c copyOf, pace pace) (int64, error) {
	blob, err := s.check(ctx, c, false, pace)
	if errors.Is(err, iofs.ErrNotExist) {
		return 0, nil
	}
	if err == nil && blob.Condition == or3cloud.BlobUnreadable && s.scrub.damaged(c.blobKey, s.Now().UTC()) {
		s.Log.ErrorContext(ctx, "A STORED BLOB CANNOT BE READ: look at the disk",
			"workspace", c.workspace, "hash", string(c.hash), "generation", c.generation, "fault", blob.Fault)
	}
	return blob.SizeBytes, err
}

// beginPass returns where the pass goes on and how fast.
func (s *Storage) beginPass() (after string, p pace) {
	s.scrub.mu.Lock()
	defer s.scrub.mu.Unlock()
	s.scrub.settle(s.Now().UTC())
	if s.scrub.PassStarted.IsZero() {
		s.scrub.PassStarted, s.scrub.Position, s.scrub.Files, s.scrub.Bytes = s.Now().UTC(), "", 0, 0
	}
	rate := max(scrubRate, s.scrub.LastPassBytes/int64(scrubSpan/time.Second))
	return s.scrub.Position, s.giveWay(atRate(rate), s.scrub.PassStarted.Add(scrubSpan))
}

// giveWay is a pace that also waits as long as there are transfers, until a pass would take too long.
func (s *Storage) giveWay(steady pace, until time.Time) pace {
	return func(ctx context.Context, n int) error {
		for s.scrub.transfers.Load() > 0 && s.Now().Before(until) {
			if err := sleepUntil(ctx, time.Now().Add(scrubYield)); err != nil {
				return err
			}
		}
		return steady(ctx, n)
	}
}

func (s *scrub) advance(position string, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Position = position
	s.Files++
	s.Bytes += size
}

// endPass closes a pass. What was found damaged before it began and was not met again is gone.
func (s *Storage) endPass() {
	s.scrub.mu.Lock()
	defer s.scrub.mu.Unlock()
	p := &s.scrub.progress
	maps.DeleteFunc(p.Damaged, func(_ string, found time.Time) bool { return found.Before(p.PassStarted) })
	p.LastPass, p.LastPassFiles, p.LastPassBytes = s.Now().UTC(), p.Files, p.Bytes
	p.PassStarted, p.Position, p.Files, p.Bytes = time.Time{}, "", 0, 0
	s.Log.Info("all files were read back", "files", p.LastPassFiles, "bytes", p.LastPassBytes, "damaged", len(p.Damaged))
}

// IntegrityState implements or3cloud.IntegrityReporter.
func (s *Storage) IntegrityState() or3cloud.IntegrityState {
	s.scrub.mu.Lock()
	defer s.scrub.mu.Unlock()
	p := &s.scrub.progress
	state := or3cloud.IntegrityState{
		Enabled: s.scrub.loop != nil, State: "idle", LastPassFiles: p.LastPassFiles, LastPassBytes: p.LastPassBytes,
		CheckedFiles: p.Files, CheckedBytes: p.Bytes, Damaged: len(p.Damaged),
	}
	if !p.LastPass.IsZero() {
		state.LastPass = p.LastPass.UnixMilli()
	}
	if !p.PassStarted.IsZero() {
		state.State, state.PassStarted = "running", p.PassStarted.UnixMilli()
	}
	if s.scrub.loop.Err() != nil {
		state.State, state.LastError = "failed", "The storage directory cannot be read"
	}
	return state
}

func (s *Storage) loadProgress() error {
	b, err := volume.ReadAll(s.Disk, scrubFile, maxScrubFile)
	if err != nil {
		return ignoreAbsence(err)
	}
	var p progress
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%w %s: %v", volume.ErrCorrupt, scrubFile, err)
	}
	s.scrub.mu.Lock()
	defer s.scrub.mu.Unlock()
	s.scrub.progress = p
	return nil
}

func (s *Storage) saveProgress() error {
	s.scrub.mu.Lock()
	p := s.scrub.progress
	p.Damaged = maps.Clone(p.Damaged)
	s.scrub.mu.Unlock()
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name, err := randomName(s.Rand)
	if err != nil {
		return err
	}
	return volume.WriteAtomic(s.Disk, scrubFile, scrubFile+tempMark+name, b)
}
