package copies

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// TestEveryStoredTimeIsSettled: each time in a sidecar is brought back from the future, including any that is added
// later.
func TestEveryStoredTimeIsSettled(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	later := now.Add(1000 * time.Hour)
	var rec Record
	v := reflect.ValueOf(&rec).Elem()
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
	if !rec.Settle(now) {
		t.Error("nothing was settled")
	}
	b, err := json.Marshal(rec)
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
