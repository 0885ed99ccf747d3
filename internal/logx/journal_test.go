package logx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 30, 3, 0, 0, 0, time.UTC)

// texts are the messages of lines.
func texts(t *testing.T, lines []Line) (out []string) {
	t.Helper()
	for _, l := range lines {
		var line struct {
			Level slog.Level `json:"level"`
			Text  string     `json:"msg"`
		}
		if err := json.Unmarshal(l.Text, &line); err != nil || line.Level != l.Level {
			t.Errorf("%s, %v: %v", l.Text, l.Level, err)
		}
		out = append(out, line.Text)
	}
	return out
}

func wantTexts(t *testing.T, lines []Line, want ...string) {
	t.Helper()
	if got := texts(t, lines); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestTheLevelChangesWhileTheProgramRuns(t *testing.T) {
	var out bytes.Buffer
	j := Open(&out, slog.LevelWarn, true, start)
	log := j.With("part", "a")
	log.Debug("one")
	log.Info("two")
	log.Warn("three")
	j.SetLevel(slog.LevelDebug)
	log.Debug("four")
	j.SetLevel(slog.LevelError)
	log.Warn("five")
	log.Debug("six")
	if got := out.String(); strings.Count(got, "\n") != 2 || !strings.Contains(got, `"three","part":"a"`) || !strings.Contains(got, "four") {
		t.Errorf("written: %s", got)
	}
	if j.Level() != slog.LevelError {
		t.Error(j.Level())
	}
	all, _ := j.Read(0, slog.LevelDebug, 100)
	wantTexts(t, all, "two", "three", "four", "five")
	warnings, _ := j.Read(0, slog.LevelWarn, 100)
	wantTexts(t, warnings, "three", "five")
	newest, _ := j.Read(0, slog.LevelDebug, 1)
	wantTexts(t, newest, "five")
	next, _ := j.Read(all[0].ID, slog.LevelInfo, 1)
	wantTexts(t, next, "three")
	elsewhere, _ := j.Read(all[3].ID+1000, slog.LevelInfo, 1) // of a process whose clock was ahead
	wantTexts(t, elsewhere, "five")
	earlier, _ := j.Read(uint64(start.Add(-time.Second).UnixMilli())*1000, slog.LevelInfo, 1)
	wantTexts(t, earlier, "two")
}

func TestDetailsAreKeptForFollowers(t *testing.T) {
	j := Open(&bytes.Buffer{}, slog.LevelWarn, false, start)
	stop, also := j.Follow(slog.LevelDebug), j.Follow(slog.LevelDebug)
	_, news := j.Read(0, slog.LevelDebug, 1)
	j.Debug("seen")
	select {
	case <-news:
	default:
		t.Error("no news of a line")
	}
	also()
	j.Debug("seen, too")
	stop()
	j.Debug("unseen")
	all, _ := j.Read(0, slog.LevelDebug, 100)
	wantTexts(t, all, "seen", "seen, too")
}

func TestAFloodOfDetailsPushesNothingElseOut(t *testing.T) {
	j := Open(&bytes.Buffer{}, slog.LevelDebug, false, start)
	j.Info("the start")
	for i := range 2000 {
		j.Debug(fmt.Sprint("request ", i), "text", strings.Repeat("x", 200))
	}
	j.Error("the end", "stack", strings.Repeat("x", longest))
	all, _ := j.Read(0, slog.LevelDebug, 100_000)
	found := texts(t, all)
	if n := len(found); n < 100 || n > keptDetails/100 || found[0] != "the start" || found[n-2] != "request 1999" || found[n-1] != "a line that is too long to be kept" {
		t.Errorf("%d lines, %q to %q", n, found[0], found[n-2:])
	}
	for i := range 3000 {
		j.Info(fmt.Sprint("event ", i), "text", strings.Repeat("x", 200))
	}
	size := 0
	all, _ = j.Read(0, slog.LevelInfo, 100_000)
	for _, l := range all {
		size += len(l.Text)
	}
	if size > keptLines || size < keptLines/2 {
		t.Errorf("%d bytes are kept", size)
	}
}

func TestSecretsAreNotKept(t *testing.T) {
	j := Open(&bytes.Buffer{}, slog.LevelInfo, false, start)
	j.With("secret", opaque).WithGroup("g").Info("signed in as ann@example.org", "token", jwt)
	all, _ := j.Read(0, slog.LevelDebug, 10)
	if len(all) != 1 || strings.Contains(string(all[0].Text), opaque) || strings.Contains(string(all[0].Text), jwt) || strings.Contains(string(all[0].Text), "ann@") {
		t.Errorf("%q", texts(t, all))
	}
}

func TestManyWriteAndRead(t *testing.T) {
	j := Open(&bytes.Buffer{}, slog.LevelInfo, false, start)
	const writers, each = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				j.Info(fmt.Sprint(w, " ", i))
			}
		})
	}
	seen := 0
	for after := uint64(1); seen < writers*each; {
		found, news := j.Read(after, slog.LevelInfo, 50)
		for _, l := range found {
			if l.ID <= after {
				t.Fatalf("%d after %d", l.ID, after)
			}
			after = l.ID
		}
		if seen += len(found); len(found) == 0 {
			<-news
		}
	}
	wg.Wait()
}
