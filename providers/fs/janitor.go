package fs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
)

// startJanitor removes what a killed process has left behind, and then collects all workspaces again and again; the
// collections are every apart, 0 leaves it at the removal. The first one comes soon after the start, so that a server which
// is restarted every day collects as well, the others at intervals that vary, so that many servers on one machine do not
// work at the same moment.
func (s *Storage) startJanitor(every time.Duration) {
	work, pause := s.removeLeftovers, s.between(every/24, every/12)
	task := background.Task{Name: "the collection of files", Log: s.Log}
	task.Run = func(ctx context.Context) error {
		now := work
		work = s.collectAll // also after a fault: the next start removes what is left
		return now(ctx)
	}
	if every > 0 {
		task.Pause = func(error) time.Duration {
			now := pause
			pause = s.between(every-every/10, every+every/10)
			return now
		}
	}
	s.janitor = background.Start(task)
	if every == 0 {
		s.janitor.Wake()
	}
}

// removeLeftovers removes the temporary files that nobody is writing. A process that was killed had no chance to.
func (s *Storage) removeLeftovers(ctx context.Context) error {
	workspaces, err := s.StorageWorkspaces(ctx)
	if err != nil {
		return err
	}
	removed := 0
	for _, w := range workspaces {
		dir := workspaceDir(w)
		entries, err := s.Disk.ReadDir(dir)
		if ignoreAbsence(err) != nil {
			return err
		}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			// A file is entered as unfinished before it is there, so one that was listed and is not entered has no writer.
			name := path.Join(dir, e.Name())
			if !isTemp(e.Name()) || s.isUnfinished(name) {
				continue
			}
			if err := ignoreAbsence(s.Disk.Remove(name)); err != nil {
				return err
			}
			removed++
		}
	}
	if removed > 0 {
		s.Log.InfoContext(ctx, "removed unfinished uploads of the last run", "files", removed)
	}
	return nil
}

// collectAll collects every workspace. A fault in one does not keep the others from their turn.
func (s *Storage) collectAll(ctx context.Context) error {
	workspaces, err := s.StorageWorkspaces(ctx)
	if err != nil {
		return err
	}
	var errs []error
	total := or3cloud.StorageGCReport{}
	for _, w := range workspaces {
		if err := ctx.Err(); err != nil {
			return err
		}
		report, err := s.collectWorkspace(ctx, or3cloud.StorageGCRequest{WorkspaceID: w})
		if err != nil {
			errs = append(errs, fmt.Errorf("workspace %s: %w", w, err))
		}
		total.DeletedCount += report.DeletedCount
		total.ScannedCount += report.ScannedCount
	}
	// Once for all workspaces, and also where none is left, or nothing is known of references.
	if _, err := s.sweepPartials(); err != nil {
		errs = append(errs, fmt.Errorf("uploads in pieces: %w", err))
	}
	s.Log.InfoContext(ctx, "collected files", "workspaces", len(workspaces), "scanned", total.ScannedCount, "into_trash", total.DeletedCount)
	return errors.Join(errs...)
}

// between returns a random span from low to high. Without randomness it is the middle.
func (s *Storage) between(low, high time.Duration) time.Duration {
	var b [8]byte
	if _, err := io.ReadFull(s.Rand, b[:]); err != nil || high <= low {
		return low + (high-low)/2
	}
	return low + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(high-low))
}
