package fs

import (
	"path/filepath"
	"testing"
	"time"

	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providertest"
)

// TestTimesOfAClockThatWasAhead: what was uploaded, committed or trashed while the clock was ahead is collected in the
// usual time after the clock was corrected.
func TestTimesOfAClockThatWasAhead(t *testing.T) {
	for _, stage := range []string{"live", "trash"} {
		t.Run(stage, func(t *testing.T) {
			r := newRig(t)
			const years = 5 * 365 * 24 * time.Hour
			r.clock.Advance(years)
			r.store("a file")
			if stage == "trash" {
				r.clock.Advance(providertest.StorageRetention + time.Hour)
				r.mustGC()
			}
			r.clock.Advance(-years)
			r.restart()
			for range 3 { // notice, retire, destroy
				r.mustGC()
				r.clock.Advance(providertest.StorageRetention + trashGrace + time.Hour)
			}
			for _, dir := range []string{layout.Workspaces, layout.Trash} {
				found, err := filepath.Glob(filepath.Join(r.dir, dir, "*", "*"))
				if err != nil || len(found) > 0 {
					t.Errorf("%s still has %v (%v)", dir, found, err)
				}
			}
		})
	}
}
