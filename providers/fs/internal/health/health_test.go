package health

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// TestTheScrubBelievesNoPassOfTheFuture: a pass that ended in the future does not delay the next one.
func TestTheScrubBelievesNoPassOfTheFuture(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	const rest = 3 * 24 * time.Hour
	later := now.Add(5 * 365 * 24 * time.Hour)
	h := &Health{progress: progress{LastPass: later}}
	if due := h.NextPass(now, rest); due.After(now.Add(rest)) {
		t.Errorf("the next pass is due %v", due)
	}
	p := progress{PassStarted: later, LastPass: later, Damaged: map[string]time.Time{"x": later}}
	p.settle(now)
	if p.PassStarted.After(now) || p.LastPass.After(now) || p.Damaged["x"].After(now) {
		t.Errorf("%+v", p)
	}
}

// TestEveryStoredTimeIsSettled: each time in the progress of the scrub is brought back from the future, including any
// that is added later.
func TestEveryStoredTimeIsSettled(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	later := now.Add(1000 * time.Hour)
	var p progress
	v := reflect.ValueOf(&p).Elem()
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
	p.settle(now)
	if p.Damaged["x"].After(now) {
		t.Error("damage is still in the future")
	}
	b, err := json.Marshal(p)
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
				t.Errorf("%s is still in the future", name)
			}
		}
	}
}
