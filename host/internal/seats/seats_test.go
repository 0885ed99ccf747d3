package seats

import (
	"errors"
	"fmt"
	"testing"
)

func TestSeats(t *testing.T) {
	s := New(Bounds{PerOwner: 2, Total: 3})
	take := func(owner string, want error) func() {
		t.Helper()
		leave, err := s.Take(owner)
		if !errors.Is(err, want) || (leave == nil) != (err != nil) {
			t.Errorf("%s: %v, want %v", owner, err, want)
		}
		return leave
	}
	first := take("ann", nil)
	take("ann", nil)
	take("ann", ErrOwner)
	take("bob", nil)
	take("bob", ErrTotal)
	first()
	leave := take("cleo", nil)
	leave()
	if its, all := s.Taken("ann"); its != 1 || all != 2 || len(s.byOwner) != 2 {
		t.Errorf("%d of ann, %d in all, %d owners", its, all, len(s.byOwner))
	}
}

// Owners who are gone are forgotten.
func TestOwnersAreForgotten(t *testing.T) {
	s := New(Bounds{PerOwner: 1, Total: 1})
	for i := range 1000 {
		leave, err := s.Take(fmt.Sprint(i))
		if err != nil {
			t.Fatal(err)
		}
		leave()
	}
	if len(s.byOwner) > 0 {
		t.Errorf("%d owners are remembered", len(s.byOwner))
	}
}
