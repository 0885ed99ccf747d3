package digest

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"or3.chat/cloud/providers/fs/internal/volume"
)

// largeContent is enough for two windows and a bit more.
func largeContent(seed uint64) string { return content(2*WindowSize+3*BlockSize+1234, seed) }

// openStored opens a stored blob as a download does.
func openStored(t *testing.T, blob string) *File {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "blob"), []byte(blob), 0o600); err != nil {
		t.Fatal(err)
	}
	disk, err := volume.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	f, err := disk.Open("blob")
	if err != nil {
		t.Fatal(err)
	}
	var sums Sums
	sums.Write([]byte(blob))
	v := Open(f, &sums)
	t.Cleanup(func() { v.Close() })
	return v
}

// panics is a file whose reads panic, as if the medium had gone.
type panics struct{ volume.File }

func (panics) Read([]byte) (int, error) { panic("gone") }

func TestReadAhead(t *testing.T) {
	blob := largeContent(4)
	v := openStored(t, blob)
	const begin = 1234 // in the middle of a block, part of which is in memory
	if _, err := io.ReadFull(v, make([]byte, begin)); err != nil {
		t.Fatal(err)
	}
	n := int64(len(blob)) - begin - 77
	a, ok := v.ReadAhead(n)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	got := ""
	for {
		p, err := a.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(p) > WindowSize {
			t.Fatalf("a part of %d bytes", len(p))
		}
		got += string(p)
	}
	a.Stop()
	if got != blob[begin:begin+n] {
		t.Errorf("%d bytes instead of %d, or other ones", len(got), n)
	}
	rest, err := io.ReadAll(v)
	if string(rest) != blob[begin+n:] || err != nil {
		t.Errorf("after reading ahead: %d bytes, %v", len(rest), err)
	}
}

func TestReadAheadThatIsStopped(t *testing.T) {
	blob := largeContent(5)
	v := openStored(t, blob)
	for taken := range 3 {
		a, ok := v.ReadAhead(int64(len(blob)))
		if !ok {
			t.Fatal("nothing is read ahead")
		}
		for range taken {
			if _, err := a.Next(); err != nil {
				t.Fatal(err)
			}
		}
		a.Stop()
		if _, err := v.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if len(readingAhead) != 0 {
		t.Errorf("%d places are still taken", len(readingAhead))
	}
	if got, err := io.ReadAll(v); string(got) != blob || err != nil {
		t.Errorf("afterwards: %d bytes, %v", len(got), err)
	}
}

func TestReadAheadPassesAPanicOn(t *testing.T) {
	v := openStored(t, largeContent(6))
	v.File = panics{v.File}
	a, ok := v.ReadAhead(2 * WindowSize)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	func() {
		defer a.Stop()
		defer func() {
			if fault := recover(); fault != "gone" {
				t.Errorf("panic: %v", fault)
			}
		}()
		a.Next()
		t.Error("no panic")
	}()
	if len(readingAhead) != 0 {
		t.Errorf("%d places are still taken", len(readingAhead))
	}
}

func TestReadAheadReturnsAReadError(t *testing.T) {
	v := openStored(t, largeContent(7))
	v.File = failingFile{v.File}
	a, ok := v.ReadAhead(2 * WindowSize)
	if !ok {
		t.Fatal("nothing is read ahead")
	}
	defer a.Stop()
	if _, err := a.Next(); !errors.Is(err, io.ErrClosedPipe) || v.Failure() == nil {
		t.Errorf("%v, and the file says %v", err, v.Failure())
	}
}

func TestFewReadAheadAtOnce(t *testing.T) {
	v := openStored(t, largeContent(8))
	for range MaxReadAhead {
		readingAhead <- struct{}{}
	}
	_, ok := v.ReadAhead(2 * WindowSize)
	for range MaxReadAhead {
		<-readingAhead
	}
	if ok {
		t.Error("one more reads ahead")
	}
	if _, ok := v.ReadAhead(2*WindowSize - 1); ok {
		t.Error("a small download reads ahead")
	}
}
