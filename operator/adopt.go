package operator

import (
	"io"
	"time"

	"or3.chat/cloud/internal/datadir"
)

// Adoption confirms stores that the server refuses. The next start accepts them as they are, once. No server may have
// the data directory open.
type Adoption struct {
	// Dir is the data directory, and Stores are the names of stores in it, or datadir.EveryStore.
	Dir    string
	Stores []string
	// Strict and Shared are OR3_STRICT_CONFIG and OR3_SHARED_VOLUME.
	Strict, Shared bool
	Now            func() time.Time
	Rand           io.Reader
}

// Run writes that down.
func (a Adoption) Run() error {
	dir, err := datadir.Open(a.Dir, datadir.Options{Now: a.Now, Rand: a.Rand, Strict: a.Strict, Shared: a.Shared, Adopt: a.Stores})
	if err != nil {
		return err
	}
	return dir.Close()
}
