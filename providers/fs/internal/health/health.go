// Package health remembers, across restarts, how far the stored files have been read back and which of them are
// damaged.
package health

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/times"
	"or3.chat/cloud/providers/fs/internal/volume"
)

const (
	// file is the name of the file that holds the progress.
	file    = ".or3-scrub.json"
	maxFile = 64 << 20
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

// Health is what is known of the health of the stored files.
type Health struct {
	disk   volume.Disk
	random io.Reader

	mu sync.Mutex
	progress
}

// New returns an empty Health; Load reads what an earlier process has saved. random makes names.
func New(disk volume.Disk, random io.Reader) *Health { return &Health{disk: disk, random: random} }

// Damage notes that a content is damaged and reports whether that is news.
func (h *Health) Damage(k layout.Key, at time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.Damaged[k.StorageID()]
	if h.Damaged == nil {
		h.Damaged = map[string]time.Time{}
	}
	h.Damaged[k.StorageID()] = at
	return !known
}

// Replaced notes that a damaged content has been replaced.
func (h *Health) Replaced(k layout.Key) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.Damaged, k.StorageID())
}

// settle replaces the times of a pass that are in the future by now. The caller holds the lock.
func (p *progress) settle(now time.Time) {
	times.Settle(now, &p.PassStarted, &p.LastPass)
	for id, found := range p.Damaged {
		if times.Ahead(found, now) {
			p.Damaged[id] = now
		}
	}
}

// NextPass is when the next pass is due: rest after the end of the last one, or now if one is under way.
func (h *Health) NextPass(now time.Time, rest time.Duration) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle(now)
	if !h.PassStarted.IsZero() || h.LastPass.IsZero() {
		return time.Time{}
	}
	return h.LastPass.Add(rest)
}

// Pass is what a pass has to know.
type Pass struct {
	// After is the position after which the pass goes on, "" for the beginning.
	After   string
	Started time.Time
	// Bytes is how much the last complete pass has read.
	Bytes int64
}

// Begin continues the pass that is under way, or begins one.
func (h *Health) Begin(now time.Time) Pass {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settle(now)
	if h.PassStarted.IsZero() {
		h.PassStarted, h.Position, h.Files, h.Bytes = now, "", 0, 0
	}
	return Pass{After: h.Position, Started: h.PassStarted, Bytes: h.LastPassBytes}
}

// Advance notes that the file at a position has been read.
func (h *Health) Advance(position string, size int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.Position = position
	h.Files++
	h.Bytes += size
}

// End closes a pass and returns what it has read. Content that was found damaged before the pass began and was not seen
// again in it is gone.
func (h *Health) End(now time.Time) (files, bytes int64, damaged int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.progress
	maps.DeleteFunc(p.Damaged, func(_ string, found time.Time) bool { return found.Before(p.PassStarted) })
	p.LastPass, p.LastPassFiles, p.LastPassBytes = now, p.Files, p.Bytes
	p.PassStarted, p.Position, p.Files, p.Bytes = time.Time{}, "", 0, 0
	return p.LastPassFiles, p.LastPassBytes, len(p.Damaged)
}

// State says how far the files have been read back and how many are damaged.
func (h *Health) State() or3cloud.IntegrityState {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := &h.progress
	state := or3cloud.IntegrityState{
		State: "idle", LastPassFiles: p.LastPassFiles, LastPassBytes: p.LastPassBytes,
		CheckedFiles: p.Files, CheckedBytes: p.Bytes, Damaged: len(p.Damaged),
	}
	if !p.LastPass.IsZero() {
		state.LastPass = p.LastPass.UnixMilli()
	}
	if !p.PassStarted.IsZero() {
		state.State, state.PassStarted = "running", p.PassStarted.UnixMilli()
	}
	return state
}

// Load reads what an earlier process has saved.
func (h *Health) Load() error {
	b, err := volume.ReadAll(h.disk, file, maxFile)
	if err != nil {
		return volume.IgnoreAbsence(err)
	}
	var p progress
	if err := json.Unmarshal(b, &p); err != nil {
		return fmt.Errorf("%w %s: %v", volume.ErrCorrupt, file, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.progress = p
	return nil
}

// Save writes down what is known.
func (h *Health) Save() error {
	h.mu.Lock()
	p := h.progress
	p.Damaged = maps.Clone(p.Damaged)
	h.mu.Unlock()
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name, err := layout.RandomName(h.random)
	if err != nil {
		return err
	}
	return volume.WriteAtomic(h.disk, file, file+layout.TempMark+name, b)
}
