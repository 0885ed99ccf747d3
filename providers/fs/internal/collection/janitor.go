package collection

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// JanitorOptions are what a Janitor is made of. All are required.
type JanitorOptions struct {
	Collector *Collector
	Disk      volume.Disk
	Temps     *copies.Temps
	Pieces    *pieces.Pieces
	Rand      io.Reader
	Log       *slog.Logger
}

// Janitor collects in the background.
type Janitor struct {
	collector *Collector
	disk      volume.Disk
	temps     *copies.Temps
	pieces    *pieces.Pieces
	random    io.Reader
	log       *slog.Logger
	loop      *background.Loop // nil until it is started
}

// NewJanitor returns a Janitor that does nothing yet.
func NewJanitor(o JanitorOptions) *Janitor {
	return &Janitor{collector: o.Collector, disk: o.Disk, temps: o.Temps, pieces: o.Pieces, random: o.Rand, log: o.Log}
}

// Start removes what a killed process has left behind, and then collects all workspaces again and again; every is the
// time between collections, and 0 means that there are none. The first comes soon after the start, so that a server
// that is restarted every day collects as well; the others come at intervals that vary, so that many servers on one
// machine do not work at the same moment.
func (j *Janitor) Start(every time.Duration) {
	work, pause := j.RemoveLeftovers, j.between(every/24, every/12)
	task := background.Task{Name: "the collection of files", Log: j.log}
	task.Run = func(ctx context.Context) error {
		now := work
		work = j.collectAll // also after a failure: the next start removes what is left
		return now(ctx)
	}
	if every > 0 {
		task.Pause = func(error) time.Duration {
			now := pause
			pause = j.between(every-every/10, every+every/10)
			return now
		}
	}
	j.loop = background.Start(task)
	if every == 0 {
		j.loop.Wake()
	}
}

// Close ends the collections.
func (j *Janitor) Close() { j.loop.Close() }

// RemoveLeftovers removes the temporary files that no upload is writing. A process that was killed could not remove
// them.
func (j *Janitor) RemoveLeftovers(ctx context.Context) error {
	workspaces, err := j.collector.StorageWorkspaces(ctx)
	if err != nil {
		return err
	}
	removed := 0
	for _, w := range workspaces {
		dir := layout.WorkspaceDir(w)
		entries, err := j.disk.ReadDir(dir)
		if volume.IgnoreAbsence(err) != nil {
			return err
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			// A file is registered as unfinished before it exists, so one that was listed and is not registered has no
			// writer.
			name := path.Join(dir, e.Name())
			if !layout.IsTemp(e.Name()) || j.temps.IsUnfinished(name) {
				continue
			}
			if err := volume.IgnoreAbsence(j.disk.Remove(name)); err != nil {
				return err
			}
			removed++
		}
	}
	if removed > 0 {
		j.log.InfoContext(ctx, "removed the unfinished uploads of the last run", "files", removed)
	}
	return nil
}

// collectAll collects every workspace. A failure in one does not stop the others.
func (j *Janitor) collectAll(ctx context.Context) error {
	workspaces, err := j.collector.StorageWorkspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	total := or3cloud.StorageGCReport{}
	for _, w := range workspaces {
		if err := ctx.Err(); err != nil {
			return err
		}
		report, err := j.collector.collectWorkspace(ctx, or3cloud.StorageGCRequest{WorkspaceID: w})
		if err != nil {
			errs = append(errs, fmt.Errorf("workspace %s: %w", w, err))
		}
		total.DeletedCount += report.DeletedCount
		total.ScannedCount += report.ScannedCount
	}
	// Once for all workspaces, even where there are none, or where references are not tracked.
	if _, err := j.pieces.Sweep(); err != nil {
		errs = append(errs, fmt.Errorf("uploads in pieces: %w", err))
	}
	j.log.InfoContext(ctx, "collected files", "workspaces", len(workspaces), "scanned", total.ScannedCount, "into_trash", total.DeletedCount)
	return errors.Join(errs...)
}

// between returns a random duration from low to high. Without randomness it is the middle.
func (j *Janitor) between(low, high time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(j.random, b[:]); err != nil || high <= low {
		return low + (high-low)/2
	}
	return low + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(high-low))
}
