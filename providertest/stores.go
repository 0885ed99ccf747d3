package providertest

import (
	"errors"
	"os"
	"sync"
	"testing"

	or3cloud "or3.chat/cloud"
)

// StoreBackend is a provider with one store on a disk.
type StoreBackend struct {
	// Place is the path of the store. Nothing exists there yet.
	Place string
	// Open opens the provider on it, again each time.
	Open func(or3cloud.Stores) (close func() error, err error)
}

// TestStores checks that a provider asks whether it may open its store, and reports what it found there
// (or3cloud.Stores).
func TestStores(t *testing.T, open func(*testing.T) StoreBackend) {
	b := open(t)
	stores := &recordingStores{}

	stores.refusal = errors.New("not the right one")
	if closed, err := b.Open(stores); !errors.Is(err, stores.refusal) {
		if err == nil {
			_ = closed()
		}
		t.Fatalf("opened although the store was refused: %v", err)
	}
	if _, err := os.Stat(b.Place); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store that was refused was made: %v", err)
	}
	if f := stores.last(); f.Condition != or3cloud.StoreAbsent || f.Place != b.Place {
		t.Errorf("where nothing was it found %+v", f)
	}

	stores.refusal = nil
	for run, want := range []or3cloud.StoreCondition{or3cloud.StoreAbsent, or3cloud.StoreStamped, or3cloud.StoreStamped} {
		closed, err := b.Open(stores)
		if err != nil {
			t.Fatal(err)
		}
		if err := closed(); err != nil {
			t.Fatal(err)
		}
		f := stores.last()
		if f.Condition != want || want == or3cloud.StoreStamped && (f.Stamp.Instance != recordedInstance || f.Stamp.Store != stores.name) {
			t.Errorf("run %d: found %+v, want %s", run, f, want)
		}
		if c := stores.confirmed; c.Store != stores.name || c.Instance != recordedInstance {
			t.Errorf("run %d: confirmed %+v", run, c)
		}
	}

	stores.refusal = errors.New("an older one")
	if _, err := b.Open(stores); !errors.Is(err, stores.refusal) {
		t.Errorf("opened although the store was refused: %v", err)
	}
	stores.refusal = nil
	closed, err := b.Open(stores)
	if err != nil {
		t.Fatalf("after a refusal: %v", err)
	}
	if err := closed(); err != nil {
		t.Error(err)
	}
}

const recordedInstance = "3b0c6a5e-6c1f-4c53-9a4e-0d7a2f6c1b11"

// recordingStores records the calls.
type recordingStores struct {
	mu        sync.Mutex
	refusal   error
	name      string
	found     or3cloud.StoreFound
	confirmed or3cloud.StoreStamp
	runs      int
}

func (s *recordingStores) last() or3cloud.StoreFound {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}

// Admit implements or3cloud.Stores.
func (s *recordingStores) Admit(name string, found or3cloud.StoreFound) (or3cloud.StoreAdmission, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.name, s.found = name, found
	if s.refusal != nil {
		return or3cloud.StoreAdmission{}, s.refusal
	}
	s.runs++
	run := string(rune('a' + s.runs))
	return or3cloud.StoreAdmission{
		Stamp: or3cloud.StoreStamp{Store: name, Instance: recordedInstance, Run: run, Previous: s.confirmed.Run, Step: s.confirmed.Step + 1},
		Mark:  s.confirmed,
	}, nil
}

// Confirm implements or3cloud.Stores.
func (s *recordingStores) Confirm(stamp or3cloud.StoreStamp) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = stamp
	return nil
}
