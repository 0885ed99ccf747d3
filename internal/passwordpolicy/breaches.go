package passwordpolicy

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Breaches is a file with the SHA-1 digests of passwords found in breaches, in the format of Have I Been Pwned: one
// digest per line in upper-case hex, perhaps followed by a colon and a count, sorted by digest. It has tens of
// gigabytes, so it is searched in place.
type Breaches struct {
	file *os.File
	size int64
}

// digestText is the length of a digest in hex.
const digestText = 2 * sha1.Size

// maxLine limits a line of the file: a digest, a colon, a count and the end of the line.
const maxLine = digestText + 32

// OpenBreaches opens the file and checks its first line, so that a wrong file is detected at the start.
func OpenBreaches(path string) (*Breaches, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := &Breaches{file: f}
	info, err := f.Stat()
	if err == nil {
		b.size = info.Size()
		_, _, err = b.line(0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return b, nil
}

// Close closes the file.
func (b *Breaches) Close() error {
	if b == nil {
		return nil
	}
	return b.file.Close()
}

// contains reports whether the digest of a password is in the file. It reads some 35 lines of a file with a billion.
func (b *Breaches) contains(password string) (bool, error) {
	if b == nil {
		return false, nil
	}
	sum := sha1.Sum([]byte(password))
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	// The line with the digest can only begin in [low, high).
	low, high := int64(0), b.size
	for low < high {
		middle := low + (high-low)/2
		start, err := b.lineStart(middle, low)
		if err != nil {
			return false, err
		}
		digest, next, err := b.line(start)
		if err != nil {
			return false, err
		}
		switch {
		case digest == want:
			return true, nil
		case digest < want:
			low = next
		default:
			high = start
		}
	}
	return false, nil
}

// lineStart returns the start of the line that contains the byte at offset. It looks at no line before low.
func (b *Breaches) lineStart(offset, low int64) (int64, error) {
	from := max(low, offset-maxLine)
	text := make([]byte, offset-from)
	if _, err := b.file.ReadAt(text, from); err != nil {
		return 0, err
	}
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		return from + int64(i) + 1, nil
	}
	if from > low {
		return 0, errNoBreaches
	}
	return low, nil
}

var errNoBreaches = errors.New("is not a sorted list of SHA-1 digests with one in each line; name the file that is ordered by hash, or none")

// line returns the digest in the line that begins at start, in upper case, and the start of the next line.
func (b *Breaches) line(start int64) (digest string, next int64, err error) {
	buf := make([]byte, maxLine)
	n, err := b.file.ReadAt(buf, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, err
	}
	text, _, ended := bytes.Cut(buf[:n], []byte("\n"))
	if !ended && n == maxLine || len(text) < digestText {
		return "", 0, errNoBreaches
	}
	next = start + int64(len(text)) + 1
	if rest := bytes.TrimRight(text[digestText:], "\r"); len(rest) > 0 && rest[0] != ':' {
		return "", 0, errNoBreaches
	}
	if _, err := hex.Decode(make([]byte, sha1.Size), text[:digestText]); err != nil {
		return "", 0, errNoBreaches
	}
	return strings.ToUpper(string(text[:digestText])), next, nil
}
