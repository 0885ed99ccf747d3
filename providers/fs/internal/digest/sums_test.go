package digest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"or3.chat/cloud/providers/fs/internal/volume"
)

func TestSumsRoundTrip(t *testing.T) {
	for _, size := range []int{0, 1, BlockSize - 1, BlockSize, BlockSize + 1, 3 * BlockSize} {
		var b Sums
		blob := content(size, 6)
		for rest := blob; rest != ""; { // In pieces that ignore block boundaries.
			n := min(len(rest), 10_007)
			b.Write([]byte(rest[:n]))
			rest = rest[n:]
		}
		got, err := Parse(b.Encode())
		if err != nil || got.size != int64(size) || !bytes.Equal(got.Encode(), b.Encode()) {
			t.Errorf("%d bytes: %+v, %v", size, got, err)
		}
	}
}

func FuzzParseSums(f *testing.F) {
	for _, size := range []int{0, 1, BlockSize, BlockSize + 1} {
		var b Sums
		b.Write([]byte(content(size, 8)))
		f.Add(b.Encode())
	}
	f.Add([]byte(sumsMagic))
	f.Add([]byte(sumsMagic + "\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		b, err := Parse(encoded)
		if err != nil {
			if !errors.Is(err, volume.ErrCorrupt) {
				t.Errorf("%v", err)
			}
			return
		}
		if !bytes.Equal(b.Encode(), encoded) {
			t.Errorf("%x reads as %+v, which is written differently", encoded, b)
		}
	})
}

func TestReadErrorOfABlockIsNotDamage(t *testing.T) {
	v := &File{File: failingFile{}, sums: &Sums{size: 1, sums: []uint32{0}}}
	if _, err := v.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) || errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}

type failingFile struct{ volume.File }

func (failingFile) Seek(int64, int) (int64, error) { return 0, nil }

func (failingFile) Read([]byte) (int, error) { return 0, io.ErrClosedPipe }

// content returns n bytes in which no two blocks are equal.
func content(n int, seed uint64) string {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(b)
	return string(b)
}
