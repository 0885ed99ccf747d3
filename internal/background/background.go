// Package background runs recurring work of a provider or the host, under one set of rules:
//
//   - A run that fails or panics is logged and does not end the loop. The next run comes after the task's pause, but
//     after at least a second, which doubles with every consecutive failure up to a minute.
//   - Wake makes the next run start at once, but never before the end of that back-off.
//   - Close cancels the context of the current run and waits for its end.
//   - Err returns the outcome of the last run, for health reports.
package background

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Limits of the back-off.
const (
	shortestBackOff = time.Second
	longestBackOff  = time.Minute
)

// Task is the work of a Loop.
type Task struct {
	// Name describes the work in the log, such as "the collection of files".
	Name string
	Log  *slog.Logger
	// Delay is the time before the first run of a Task with a Pause. Wake shortens it.
	Delay time.Duration
	// Run does the work once. Its context ends with the loop; an error after that does not count.
	Run func(context.Context) error
	// Harmless means that a failure costs nothing, because the next run does all of the work. It is logged as a warning
	// instead of an error.
	Harmless bool
	// Pause returns the time until the next run, given the outcome of the last one: nil, its error, or a *Panic. It
	// must not panic. Without a Pause, all runs, including the first, start when the loop is woken, and after a
	// failure.
	Pause func(error) time.Duration
}

// Every returns a Pause that is always the same.
func Every(d time.Duration) func(error) time.Duration { return func(error) time.Duration { return d } }

// Panic is the error of a run that panicked.
type Panic struct {
	Value any
	Stack []byte
}

// Error implements error.
func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// Loop runs a Task in a goroutine of its own. A nil Loop does nothing.
type Loop struct {
	task Task
	wake chan struct{}
	ctx  context.Context
	stop context.CancelFunc
	done chan struct{}

	running sync.Mutex // one run at a time
	mu      sync.Mutex
	last    error
}

// New returns a loop that Begin starts. It is for tasks that wake their own loop: the owner can store the loop before
// the first run.
func New(t Task) *Loop {
	l := &Loop{task: t, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(context.Background())
	return l
}

// Begin starts a loop from New. Close must follow.
func (l *Loop) Begin() { go l.loop() }

// Start starts a loop. Close ends it.
func Start(t Task) *Loop {
	l := New(t)
	l.Begin()
	return l
}

// Wake asks for a run that begins after this call. It never waits.
func (l *Loop) Wake() {
	if l == nil {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close ends the loop, if it has not ended yet, and waits for the current run.
func (l *Loop) Close() {
	if l == nil {
		return
	}
	l.stop()
	<-l.done
}

// Err returns the outcome of the last run that was not interrupted: nil, its error, or a *Panic.
func (l *Loop) Err() error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Run runs the task once in the caller's goroutine, when no other run is in progress, even after Close. Err and the log
// get its outcome. The rhythm of the loop does not change.
func (l *Loop) Run(ctx context.Context) error {
	l.running.Lock()
	defer l.running.Unlock()
	err := l.guarded(ctx)
	if interrupted(ctx, err) {
		return err
	}
	var p *Panic
	switch {
	case errors.As(err, &p):
		l.task.Log.Error(l.task.Name+" panicked", "panic", p.Value, "stack", string(p.Stack))
	case err != nil && l.task.Harmless:
		l.task.Log.Warn(l.task.Name+" failed and is tried again", "error", err)
	case err != nil:
		l.task.Log.Error(l.task.Name+" failed", "error", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = err
	return err
}

func (l *Loop) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &Panic{Value: v, Stack: debug.Stack()}
		}
	}()
	return l.task.Run(ctx)
}

// interrupted reports whether err only means that the loop is being closed.
func interrupted(ctx context.Context, err error) bool {
	var p *Panic
	return err != nil && ctx.Err() != nil && !errors.As(err, &p)
}

func (l *Loop) loop() {
	defer close(l.done)
	pause, backOff := l.task.Delay, time.Duration(0)
	for l.rest(pause, backOff) {
		err := l.Run(l.ctx)
		if err == nil {
			backOff = 0
		} else {
			backOff = min(max(2*backOff, shortestBackOff), longestBackOff)
		}
		if l.task.Pause != nil {
			pause = l.task.Pause(err)
		}
	}
}

// rest waits until the next run is due and reports whether to run it.
func (l *Loop) rest(pause, backOff time.Duration) bool {
	if backOff > 0 && !l.sleep(backOff, nil) {
		return false
	}
	switch {
	case l.task.Pause != nil:
		return l.sleep(pause-backOff, l.wake)
	case backOff > 0:
		return true
	}
	select {
	case <-l.ctx.Done():
		return false
	case <-l.wake:
		return l.ctx.Err() == nil
	}
}

// sleep waits for span, or less if it is woken, and reports whether the loop continues.
func (l *Loop) sleep(span time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-l.ctx.Done():
	case <-wake:
	case <-timer.C:
	}
	return l.ctx.Err() == nil
}
