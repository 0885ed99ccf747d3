package collection

import (
	"crypto/rand"
	"io"
	"testing"
	"time"
)

func TestIntervalsVary(t *testing.T) {
	j := NewJanitor(JanitorOptions{Rand: rand.Reader})
	seen := map[time.Duration]bool{}
	for range 20 {
		d := j.between(time.Hour, 2*time.Hour)
		if d < time.Hour || d >= 2*time.Hour {
			t.Errorf("%v", d)
		}
		seen[d] = true
	}
	if len(seen) < 15 {
		t.Errorf("only %d different intervals", len(seen))
	}
	j.random = eofReader{}
	if d := j.between(time.Hour, 2*time.Hour); d != 90*time.Minute {
		t.Errorf("without randomness: %v", d)
	}
}

type eofReader struct{}

func (eofReader) Read([]byte) (int, error) { return 0, io.EOF }
