package copies

import (
	"context"
	"maps"
	"slices"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
)

// Doomed has the paths of the generations that must not be relied on any more: they were offered for deletion, or their
// directory entry may not be durable. An upload or commit that finds one makes a new generation.
type Doomed struct {
	references or3cloud.ReferenceClaimer

	mu    sync.Mutex
	paths map[string]bool
	// known has the workspaces whose retired generations have been read since the start.
	known map[string]bool
}

// NewDoomed returns an empty Doomed. references may be nil; then nothing is ever retired.
func NewDoomed(references or3cloud.ReferenceClaimer) *Doomed {
	return &Doomed{references: references, paths: map[string]bool{}, known: map[string]bool{}}
}

// Load finds out, once per workspace, which generations were retired before the start and have yet to be deleted.
func (d *Doomed) Load(ctx context.Context, workspace string) error {
	if d.references == nil {
		return nil
	}
	d.mu.Lock()
	known := d.known[workspace]
	d.mu.Unlock()
	if known {
		return nil
	}
	retired, err := d.references.RetiredGenerations(ctx, workspace)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range retired {
		if k, ok := layout.NewKey(workspace, string(r.Hash)); ok && layout.ValidGeneration(r.Generation) {
			d.paths[k.Live(r.Generation)] = true
		}
	}
	d.known[workspace] = true
	return nil
}

// Doom keeps uploads and commits from building on the generation at a path.
func (d *Doomed) Doom(live string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.paths[live] = true
}

// Forget makes a generation reliable again, or drops one that is gone.
func (d *Doomed) Forget(live string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.paths, live)
}

// Has reports whether a generation is doomed.
func (d *Doomed) Has(live string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paths[live]
}

// All lists the doomed paths, in order. Tests that explore all states of a store use it to tell them apart.
func (d *Doomed) All() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.paths))
}
