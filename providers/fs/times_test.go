package fs

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"or3.chat/cloud/providertest"
)

// TestTimesOfAClockThatWasAhead: what was uploaded, committed or trashed by it is collected in the usual time after the
// clock was set right.
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
			for _, dir := range []string{workspacesDir, trashDir} {
				found, err := filepath.Glob(filepath.Join(r.dir, dir, "*", "*"))
				if err != nil || len(found) > 0 {
					t.Errorf("%s still has %v (%v)", dir, found, err)
				}
			}
		})
	}
}

// TestTheScrubBelievesNoPassOfTheFuture.
func TestTheScrubBelievesNoPassOfTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	later := now.Add(5 * 365 * 24 * time.Hour)
	s := &scrub{progress: progress{LastPass: later}}
	if due := s.nextPass(now); due.After(now.Add(scrubRest)) {
		t.Errorf("the next pass is due %v", due)
	}
	p := progress{PassStarted: later, LastPass: later, Damaged: map[string]time.Time{"x": later}}
	p.settle(now)
	if p.PassStarted.After(now) || p.LastPass.After(now) || p.Damaged["x"].After(now) {
		t.Errorf("%+v", p)
	}
}

// TestEveryStoredTimeIsSettled: each time in a sidecar and in the progress of the scrub is brought back, whichever is added.
func TestEveryStoredTimeIsSettled(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	later := now.Add(1000 * time.Hour)
	var rec record
	var p progress
	for _, v := range []reflect.Value{reflect.ValueOf(&rec).Elem(), reflect.ValueOf(&p).Elem()} {
		for i := range v.NumField() {
			switch f := v.Field(i); f.Interface().(type) {
			case time.Time:
				f.Set(reflect.ValueOf(later))
			case *time.Time:
				at := later
				f.Set(reflect.ValueOf(&at))
			case map[string]time.Time:
				f.Set(reflect.ValueOf(map[string]time.Time{"x": later}))
			}
		}
	}
	if !rec.settle(now) {
		t.Error("nothing was settled")
	}
	p.settle(now)
	for _, v := range []any{rec, p} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(b, &fields); err != nil {
			t.Fatal(err)
		}
		for name, value := range fields {
			if text, ok := value.(string); ok {
				if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(now) {
					t.Errorf("%T: %s is still in the future", v, name)
				}
			}
		}
	}
}
