package sealed

import (
	"crypto/rand"
	"testing"
)

func TestSealIsBoundToItsRow(t *testing.T) {
	s, err := New(rand.Reader, "test", "secret")
	if err != nil {
		t.Fatal(err)
	}
	const token, print = "the token", "the row"
	sealed, err := s.Seal([]byte(token), print)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(sealed, print); string(got) != token || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	sealed2 := append([]byte(nil), sealed...)
	sealed2[len(sealed2)-1] ^= 1
	for _, c := range []struct {
		sealed []byte
		print  string
	}{{sealed, "another row"}, {sealed2, print}, {nil, print}, {sealed[:5], print}} {
		if got, err := s.Open(c.sealed, c.print); err == nil {
			t.Errorf("opened as %q", got)
		}
	}
}
