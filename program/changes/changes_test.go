package changes

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
)

// desk has a log with two entries on a page.
type desk struct{ log []or3cloud.LogEntry }

func (d desk) Call(_ context.Context, name string, in, out any) error {
	query := in.(operator.LogQuery)
	if name != operator.ReadLog.Name || query.WorkspaceID != "w" {
		return fmt.Errorf("%s %+v", name, query)
	}
	page := out.(*operator.LogEntries)
	for _, e := range d.log {
		if e.Version >= query.From && len(page.Entries) < 2 {
			page.Entries = append(page.Entries, e)
		}
	}
	return nil
}

func TestALineForEachEntry(t *testing.T) {
	change := json.RawMessage("{\"serverVersion\": 1,\"payload\":{\"title\":\"<\u009b1m\u2028\u202e\U0001f600\U000e0041\"}}")
	d := desk{}
	for _, version := range []int64{1, 2, 5, 6, 9} {
		d.log = append(d.log, or3cloud.LogEntry{Version: version, Mark: or3cloud.LogWinner, AcceptedAt: time.UnixMilli(version).UTC(), Change: change})
	}
	printed := func(args ...string) []or3cloud.LogEntry {
		t.Helper()
		from, most, err := Wanted(args)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := Print(t.Context(), d, &out, "w", from, most); err != nil {
			t.Fatal(err)
		}
		var entries []or3cloud.LogEntry
		for line := range strings.Lines(out.String()) {
			var e or3cloud.LogEntry
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			entries = append(entries, e)
		}
		if text := out.String(); strings.ContainsAny(text, "\u009b\u2028\u202e\U000e0041") || !strings.Contains(text, "\"<\\u009b1m\\u2028\\u202e\U0001f600\\udb40\\udc41\"") {
			t.Errorf("a terminal would obey %q", text)
		}
		return entries
	}
	if got := printed(); len(got) != len(d.log) || got[4].Version != 9 || !got[4].AcceptedAt.Equal(time.UnixMilli(9)) {
		t.Errorf("all entries: %+v", got)
	}
	if got := printed("5"); len(got) != 1 || got[0].Version != 5 {
		t.Errorf("one entry: %+v", got)
	}
	for _, version := range []int64{3, 10} {
		if err := Print(t.Context(), d, new(strings.Builder), "w", version, 1); err == nil || !strings.Contains(err.Error(), fmt.Sprint("no version ", version)) {
			t.Errorf("version %d: %v", version, err)
		}
	}
	for _, bad := range []string{"0", "-1", "x", "", "99999999999999999999"} {
		if _, _, err := Wanted([]string{bad}); err == nil {
			t.Errorf("VERSION %q was taken", bad)
		}
	}
}
