package fs

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"or3.chat/cloud/providers/fs/internal/volume"
	"strings"
	"testing"
)

// largeContent is enough for two windows and a bit.
func largeContent(seed uint64) string { return randomContent(2*windowSize+3*blockSize+1234, seed) }

// openStored opens a stored blob as a download does.
func openStored(t *testing.T, content string) *verifiedFile {
	t.Helper()
	r := newRig(t)
	r.store(content)
	f, _, err := r.findVerified(t.Context(), keyOf(content))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f.(*verifiedFile)
}

// panics is a file whose medium is gone, in the rudest way.
type panics struct{ volume.File }

func (panics) Read([]byte) (int, error) { panic("gone") }

// TestFlippedBitsOfALargeBlobAreNeverServed is TestFlippedBitsAreNeverServed for downloads that read ahead.
func TestFlippedBitsOfALargeBlobAreNeverServed(t *testing.T) {
	r := newRig(t)
	r.disk.lazy = true
	content := largeContent(3)
	size := int64(len(content))
	r.store(content)
	server := newServer(t, r)
	target, path := r.target(downloadPath, downloadClaims(r, content)), r.path(content)
	random := rand.New(rand.NewPCG(8, 8))
	for range 50 {
		bit := random.Int64N(size * 8)
		flip(t, path, bit)
		first := min(random.Int64N(blockSize), bit/8)
		for _, from := range []int64{0, first} {
			span := ""
			if from > 0 {
				span = fmt.Sprintf("bytes=%d-", from)
			}
			status, _, body, err := fetch(t, server, target, span)
			if err == nil && status != 503 {
				t.Fatalf("bit %d, %q: %d with %d bytes", bit, span, status, len(body))
			}
			if err != nil && !strings.HasPrefix(content[from:], string(body)) {
				t.Fatalf("bit %d, %q: wrong bytes were sent before the connection was broken off", bit, span)
			}
		}
		flip(t, path, bit)
	}
	if status, _, body, err := fetch(t, server, target, ""); status != 200 || err != nil || string(body) != content {
		t.Errorf("mended: %d with %d bytes, %v", status, len(body), err)
	}
}

func TestReadAhead(t *testing.T) {
	content := largeContent(4)
	v := openStored(t, content)
	const begin = 1234 // in the middle of a block, part of which is in memory
	if _, err := io.ReadFull(v, make([]byte, begin)); err != nil {
		t.Fatal(err)
	}
	n := int64(len(content)) - begin - 77
	a, ok := v.readAhead(n)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	got := ""
	for {
		p, err := a.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p) > windowSize {
			t.Fatalf("a part of %d bytes", len(p))
		}
		got += string(p)
	}
	a.stop()
	if got != content[begin:begin+n] {
		t.Errorf("%d bytes instead of %d, or other ones", len(got), n)
	}
	rest, err := io.ReadAll(v)
	if string(rest) != content[begin+n:] || err != nil {
		t.Errorf("after reading ahead: %d bytes, %v", len(rest), err)
	}
}

func TestReadAheadThatIsStopped(t *testing.T) {
	content := largeContent(5)
	v := openStored(t, content)
	for taken := range 3 {
		a, ok := v.readAhead(int64(len(content)))
		if !ok {
			t.Fatal("nothing is read ahead")
		}
		for range taken {
			if _, err := a.next(); err != nil {
				t.Fatal(err)
			}
		}
		a.stop()
		if _, err := v.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if len(readingAhead) != 0 {
		t.Errorf("%d places are still taken", len(readingAhead))
	}
	if got, err := io.ReadAll(v); string(got) != content || err != nil {
		t.Errorf("afterwards: %d bytes, %v", len(got), err)
	}
}

func TestReadAheadPassesAPanicOn(t *testing.T) {
	v := openStored(t, largeContent(6))
	v.File = panics{v.File}
	a, ok := v.readAhead(2 * windowSize)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	func() {
		defer a.stop()
		defer func() {
			if fault := recover(); fault != "gone" {
				t.Errorf("panic: %v", fault)
			}
		}()
		a.next()
		t.Error("no panic")
	}()
	if len(readingAhead) != 0 {
		t.Errorf("%d places are still taken", len(readingAhead))
	}
}

func TestReadAheadReturnsAReadError(t *testing.T) {
	v := openStored(t, largeContent(7))
	v.File = failingFile{v.File}
	a, ok := v.readAhead(2 * windowSize)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	defer a.stop()
	if _, err := a.next(); !errors.Is(err, io.ErrClosedPipe) || v.failure() == nil {
		t.Errorf("%v, and the file says %v", err, v.failure())
	}
}

func TestFewReadAheadAtOnce(t *testing.T) {
	r := newRig(t)
	content := largeContent(8)
	r.store(content)
	for range maxReadAhead {
		readingAhead <- struct{}{}
	}
	rec := r.get(downloadClaims(r, content))
	for range maxReadAhead {
		<-readingAhead
	}
	if rec.Code != 200 || rec.Body.String() != content {
		t.Errorf("without a place: %d with %d bytes", rec.Code, rec.Body.Len())
	}
	if _, ok := openStored(t, largeContent(9)).readAhead(2*windowSize - 1); ok {
		t.Error("a small download reads ahead")
	}
}
