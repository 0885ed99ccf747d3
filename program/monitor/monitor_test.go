package monitor

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/host/load"
	"or3.chat/cloud/operator"
)

var at = time.Date(2026, 11, 30, 4, 0, 0, 0, time.UTC)

// well is a healthy server.
func well() load.Summary {
	return load.Summary{
		Version: "v1.2.3", Started: at.Add(-27 * time.Hour), At: at, Ready: true, Step: 5, RequestMemoryLimitBytes: 256 << 20,
		Disk:   &load.Disk{State: "ok", FreeBytes: 10 << 30, SizeBytes: 40 << 30, HeadroomBytes: 9 << 30},
		Points: []load.Point{{Requests: 100}, {Requests: 12.3, Ops: 4, P50: 0.002, P95: 0.0125, InFlight: 3, Listeners: 12, MemoryBytes: 84 << 20}},
		Totals: map[string]float64{"users": 25, `workspaces{state="live"}`: 31, "mail_waiting": 2, "accounts": 24, "sessions": 40, `webhook_deliveries{status="pending"}`: 1},
	}
}

func TestAStatusForAPerson(t *testing.T) {
	var out strings.Builder
	s := Status{Summary: well(), Address: "127.0.0.1:3000", Attention: judge(well())}
	s.Write(&out)
	for _, want := range []string{
		"OR3 Cloud v1.2.3 at 127.0.0.1:3000, ready, up 1 d 3 h\n", "12.3 requests and 4.0 changes per second; 3 requests under way", "half within 2 ms, 95 % within 12.5 ms",
		"12 waiting for changes", "25 users, 31 workspaces", "2 letters waiting, 0 of them", "24, signed in on 40 browsers", "1 deliveries waiting", "\nNothing needs attention.\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	out.Reset()
	Status{Summary: load.Summary{Step: 5}, Attention: judge(load.Summary{})}.Write(&out)
	if !strings.Contains(out.String(), "not ready") || !strings.Contains(out.String(), "the first figures follow in a moment") || strings.Contains(out.String(), "Stored") {
		t.Error(out.String())
	}
}

func TestWhatNeedsAttention(t *testing.T) {
	if found := judge(well()); len(found) > 0 {
		t.Errorf("of a server that is well: %+v", found)
	}
	for want, change := range map[string]func(*load.Summary){
		"does not serve all":          func(s *load.Summary) { s.Ready = false },
		"nearly full":                 func(s *load.Summary) { s.Disk.State = "low" },
		"The disk is full":            func(s *load.Summary) { s.Disk.State = "full" },
		"database of auth is damaged": func(s *load.Summary) { s.Totals[`database_damaged{database="auth"}`] = 1 },
		"3 stored files are damaged":  func(s *load.Summary) { s.Totals["storage_damaged_files"] = 3 },
		"collection":                  func(s *load.Summary) { s.Totals["sync_collection_failed"] = 1 },
		"has not accepted 1 letters":  func(s *load.Summary) { s.Totals["mail_retrying"] = 1 },
		"internal errors":             func(s *load.Summary) { s.Points[1].Faults = 0.2 },
	} {
		s := well()
		change(&s)
		found := judge(s)
		if len(found) != 1 || !strings.Contains(found[0].What, want) || found[0].Fix == "" {
			t.Errorf("%s: %+v", want, found)
		}
		var out strings.Builder
		if (Status{Summary: s, Attention: found}).Write(&out); !strings.Contains(out.String(), want) || strings.Contains(out.String(), "Nothing needs") {
			t.Errorf("%s: %s", want, &out)
		}
	}
}

// server has lines, one of which is in each answer.
type server struct {
	lines []string
	stop  context.CancelFunc
	asked []operator.JournalQuery
}

func (s *server) Call(ctx context.Context, name string, in, out any) error {
	q := in.(operator.JournalQuery)
	s.asked = append(s.asked, q)
	if int(q.After) == len(s.lines) {
		s.stop()
		return ctx.Err()
	}
	*out.(*operator.Journal) = operator.Journal{Lines: []json.RawMessage{json.RawMessage(s.lines[q.After])}, Last: q.After + 1}
	return nil
}

func TestLinesOfTheLog(t *testing.T) {
	lines := []string{
		`{"time":"2026-11-30T04:00:00Z","level":"INFO","msg":"it is \"ready\"","n":12,"list":[1,2],"group":{"a":"b"},"empty":""}`,
		`{"time":"2026-11-30T04:00:01Z","level":"WARN","msg":"two\u001b[1m","error":"x=\"y\""}`,
	}
	const first = `time=2026-11-30T04:00:00.000Z level=INFO msg="it is \"ready\"" n=12 list=[1,2] group="{\"a\":\"b\"}" empty=""` + "\n"
	const second = `time=2026-11-30T04:00:01.000Z level=WARN msg="two\x1b[1m" error="x=\"y\""` + "\n"
	for _, c := range []struct {
		reader
		want string
	}{
		{reader{level: "info", lines: 5}, first}, {reader{level: "info", lines: 5, follow: true}, first + second},
		{reader{lines: 5, asJSON: true, follow: true}, lines[0] + "\n" + lines[1] + "\n"},
	} {
		ctx, stop := context.WithCancel(t.Context())
		var out strings.Builder
		c.out = &out
		s := &server{lines: lines, stop: stop}
		if err := c.read(ctx, s); err != nil || out.String() != c.want {
			t.Errorf("%+v: %v\n%s, want\n%s", c.reader, err, &out, c.want)
		}
		if s.asked[0] != (operator.JournalQuery{Level: c.level, Limit: 5}) {
			t.Errorf("%+v", s.asked[0])
		}
		stop()
	}
	for _, bad := range []string{``, `[]`, `{"time":1}`, `{"level":"loud"}`, `{"msg":`} {
		if _, err := recordOf([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
