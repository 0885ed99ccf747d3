package background_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"or3.chat/cloud/internal/background"
)

var quiet = slog.New(slog.DiscardHandler)

// rhythm runs a task in a bubble for span and returns when its runs began, counted from the start of the loop. Each run
// lasts as long as given. The loop is woken at the given times.
func rhythm(t *testing.T, span, lasts time.Duration, task background.Task, wakes ...time.Duration) (at []time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		start, run := time.Now(), task.Run
		task.Log = quiet
		task.Run = func(ctx context.Context) error {
			at = append(at, time.Since(start))
			time.Sleep(lasts)
			return run(ctx)
		}
		l := background.Start(task)
		for _, wake := range wakes {
			time.Sleep(wake - time.Since(start))
			l.Wake()
		}
		time.Sleep(span - time.Since(start))
		l.Close()
	})
	return at
}

func want(t *testing.T, got []time.Duration, seconds ...float64) {
	t.Helper()
	ok := len(got) == len(seconds)
	for i := range min(len(got), len(seconds)) {
		ok = ok && got[i] == time.Duration(seconds[i]*float64(time.Second))
	}
	if !ok {
		t.Errorf("runs at %v, want %v", got, seconds)
	}
}

func succeed(context.Context) error { return nil }

func TestARunFollowsEachPause(t *testing.T) {
	task := background.Task{Run: succeed, Delay: 5 * time.Second, Pause: background.Every(10 * time.Second)}
	want(t, rhythm(t, 40*time.Second, 0, task), 5, 15, 25, 35)
	// The pause begins at the end of a run, so a slow run is never followed immediately by another.
	task.Delay = 0
	want(t, rhythm(t, 40*time.Second, 15*time.Second, task), 0, 25)
}

func TestAFailureIsFollowedByABackOff(t *testing.T) {
	fault := errors.New("fault")
	for name, fail := range map[string]func() error{
		"error": func() error { return fault },
		"panic": func() error { panic("a bug") },
	} {
		t.Run(name, func(t *testing.T) {
			run := func(context.Context) error { return fail() }
			task := background.Task{Run: run, Pause: background.Every(100 * time.Millisecond)}
			want(t, rhythm(t, 200*time.Second, 0, task), 0, 1, 3, 7, 15, 31, 63, 123, 183)
			// A pause that is already longer than the back-off is not extended.
			task.Pause = background.Every(time.Hour)
			want(t, rhythm(t, 150*time.Minute, 0, task), 0, 3600, 7200)
			// A task without a pause retries automatically.
			task.Pause = nil
			want(t, rhythm(t, 10*time.Second, 0, task, 0), 0, 1, 3, 7)
		})
	}
	// A success ends the back-off.
	n := 0
	run := func(context.Context) error {
		if n++; n == 3 || n == 4 {
			return nil
		}
		return fault
	}
	want(t, rhythm(t, 6*time.Second, 0, background.Task{Run: run, Pause: background.Every(500 * time.Millisecond)}), 0, 1, 3, 3.5, 4, 5)
}

// A failure is logged as an error unless the task is harmless. A panic always is.
func TestHarmlessFailuresAreWarnings(t *testing.T) {
	for _, c := range []struct {
		harmless bool
		run      func() error
		level    string
	}{
		{false, func() error { return errors.New("fault") }, "ERROR"},
		{true, func() error { return errors.New("fault") }, "WARN"},
		{true, func() error { panic("a bug") }, "ERROR"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			l := background.Start(background.Task{
				Name: "the work", Log: slog.New(slog.NewTextHandler(&out, nil)), Harmless: c.harmless, Run: func(context.Context) error { return c.run() },
			})
			l.Wake()
			synctest.Wait()
			l.Close()
			if text := out.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level="+c.level) {
				t.Errorf("harmless %v, %s wanted: %s", c.harmless, c.level, text)
			}
		})
	}
}

func TestThePauseKnowsTheOutcome(t *testing.T) {
	n := 0
	run := func(context.Context) error {
		switch n++; n {
		case 1:
			return errors.New("fault")
		case 2:
			panic("a bug")
		}
		return nil
	}
	pause := func(err error) time.Duration {
		switch p := (*background.Panic)(nil); {
		case errors.As(err, &p):
			return 7 * time.Second
		case err != nil:
			return 3 * time.Second
		}
		return 20 * time.Second
	}
	want(t, rhythm(t, 40*time.Second, 0, background.Task{Run: run, Pause: pause}), 0, 3, 10, 30)
}

func TestWake(t *testing.T) {
	// A loop without a pause sleeps until it is woken. All wakes during a run cause one more run.
	wakes := []time.Duration{10 * time.Second, 11 * time.Second, 12 * time.Second}
	want(t, rhythm(t, time.Minute, 5*time.Second, background.Task{Run: succeed}, wakes...), 10, 15)
	// A wake makes a run with a pause come earlier.
	task := background.Task{Run: succeed, Delay: 30 * time.Second, Pause: background.Every(30 * time.Second)}
	want(t, rhythm(t, 50*time.Second, 0, task, 10*time.Second), 10, 40)
	// Nothing shortens the back-off.
	wakes = nil
	for d := time.Duration(0); d < 2500*time.Millisecond; d += 100 * time.Millisecond {
		wakes = append(wakes, d)
	}
	fail := func(context.Context) error { return errors.New("fault") }
	want(t, rhythm(t, 2900*time.Millisecond, 0, background.Task{Run: fail}, wakes...), 0, 1)
}

func TestCloseWaitsForTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var ended atomic.Bool
		l := background.Start(background.Task{
			Name: "the work", Log: slog.New(slog.NewTextHandler(&log, nil)), Pause: background.Every(time.Second),
			Run: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second) // work that cannot be interrupted
				ended.Store(true)
				return ctx.Err()
			},
		})
		synctest.Wait()
		l.Close()
		if !ended.Load() {
			t.Error("the run was still under way")
		}
		l.Close()
		l.Wake()
		if l.Err() != nil || log.Len() != 0 {
			t.Errorf("an interruption is not a failure: %v\n%s", l.Err(), &log)
		}
	})
	var none *background.Loop
	none.Wake()
	none.Close()
	if none.Err() != nil {
		t.Error("a loop that was not started has failed")
	}
}

func TestTheOutcomeIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the variables below
		var log bytes.Buffer
		fault := errors.New("fault")
		outcome := func() error { return fault }
		become := func(f func() error) {
			mu.Lock()
			defer mu.Unlock()
			outcome = f
		}
		logged := func(text string) bool {
			mu.Lock()
			defer mu.Unlock()
			return strings.Contains(log.String(), text)
		}
		l := background.Start(background.Task{
			Name: "the work", Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil)),
			Run: func(context.Context) error {
				mu.Lock()
				f := outcome
				mu.Unlock()
				return f()
			},
		})
		if l.Err() != nil {
			t.Errorf("before the first run: %v", l.Err())
		}
		l.Wake()
		synctest.Wait()
		if !errors.Is(l.Err(), fault) || !logged("the work failed") {
			t.Errorf("after a failure: %v", l.Err())
		}
		become(func() error { panic("a bug") })
		time.Sleep(time.Second)
		synctest.Wait()
		var p *background.Panic
		if !errors.As(l.Err(), &p) || p.Value != "a bug" || !logged("the work panicked") || !strings.Contains(string(p.Stack), "background_test") {
			t.Errorf("after a panic: %v", l.Err())
		}
		become(func() error { return nil })
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if l.Err() != nil {
			t.Errorf("after a success: %v", l.Err())
		}
		l.Close()
		become(func() error { panic("at the end") })
		if err := l.Run(t.Context()); !errors.As(err, &p) || l.Err() == nil {
			t.Errorf("a run of its own after the end: %v, %v", err, l.Err())
		}
	})
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (w lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.w.Write(b)
}
