package digest

import (
	"io"
	"sync"
)

const (
	// WindowSize is how much of a large download is read and verified at once while as much is being sent. With smaller
	// windows the two sides wait for each other longer than they gain.
	WindowSize = 1 << 20
	// MaxReadAhead is how many downloads may read ahead at the same time, with two windows each. More of them would
	// only share the processors, and make do with a buffer.
	MaxReadAhead = 16
)

type windows [2][WindowSize]byte

var (
	freeWindows  = sync.Pool{New: func() any { return new(windows) }}
	readingAhead = make(chan struct{}, MaxReadAhead)
)

// A ReadAhead reads and verifies the next part of a file while the last one is being sent.
type ReadAhead struct {
	file    *File
	windows *windows
	parts   chan part
	stopped chan struct{}
	reader  sync.WaitGroup
}

// part is a piece of a file, or why there is none.
type part struct {
	p     []byte
	err   error
	panic any
}

// ReadAhead begins to read the next n bytes. It returns false where that is not worth it, or where too many downloads
// already do. Nothing else may read the file until Stop was called.
func (v *File) ReadAhead(n int64) (*ReadAhead, bool) {
	if n < 2*WindowSize {
		return nil, false
	}
	select {
	case readingAhead <- struct{}{}:
	default:
		return nil, false
	}
	a := &ReadAhead{file: v, windows: freeWindows.Get().(*windows), parts: make(chan part), stopped: make(chan struct{})}
	a.reader.Go(func() { a.read(n) })
	return a, true
}

// Next returns the next verified bytes, which are valid until the next call, and io.EOF after the last ones. It passes
// a panic of the disk on to the caller.
func (a *ReadAhead) Next() ([]byte, error) {
	next := <-a.parts
	if next.panic != nil {
		panic(next.panic)
	}
	return next.p, next.err
}

// Stop ends the reading and waits for it.
func (a *ReadAhead) Stop() {
	close(a.stopped)
	a.reader.Wait()
	a.file.readInto(nil)
	freeWindows.Put(a.windows)
	<-readingAhead
}

func (a *ReadAhead) read(n int64) {
	hand := func(next part) (more bool) {
		select {
		case a.parts <- next: // The part before has been sent: its window is free.
			return next.err == nil && next.panic == nil
		case <-a.stopped:
			return false
		}
	}
	defer func() {
		if fault := recover(); fault != nil {
			hand(part{panic: fault})
		}
	}()
	for turn := 0; ; turn = 1 - turn {
		a.file.readInto(a.windows[turn][:])
		next := part{err: io.EOF}
		if n > 0 {
			next.p, next.err = a.file.Next(n)
		}
		n -= int64(len(next.p))
		if !hand(next) {
			return
		}
	}
}
