// Package collection collects and deletes what nothing refers to, by a protocol with the sync provider
// (or3cloud.ReferenceClaimer), and says what is in the store and why.
package collection

import (
	"context"
	"io"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what a Collector is made of. All are required but References.
type Options struct {
	Disk   volume.Disk
	Copies *copies.Copies
	Doomed *copies.Doomed
	Temps  *copies.Temps
	Pieces *pieces.Pieces
	// References says which blobs are used; without it nothing is collected or deleted.
	References or3cloud.ReferenceClaimer
	// Retention is the shortest time for which an unreferenced blob is kept; callers of GC can only lengthen it. 0
	// leaves it to them.
	Retention time.Duration
	// TrashGrace is how long retired bytes stay in the trash, served and ready to be taken back; 0 lets the next
	// collection unlink them.
	TrashGrace time.Duration
	Now        func() time.Time
	Log        *slog.Logger
	Rand       io.Reader
}

// Collector collects and deletes what nothing refers to.
type Collector struct {
	disk       volume.Disk
	copies     *copies.Copies
	doomed     *copies.Doomed
	temps      *copies.Temps
	pieces     *pieces.Pieces
	references or3cloud.ReferenceClaimer
	retention  time.Duration
	trashGrace time.Duration
	now        func() time.Time
	log        *slog.Logger
	random     io.Reader
}

var (
	_ or3cloud.StorageCollector = (*Collector)(nil)
	_ or3cloud.StorageInspector = (*Collector)(nil)
	_ or3cloud.ObjectDeleter    = (*Collector)(nil)
)

// New returns a Collector.
func New(o Options) *Collector {
	return &Collector{
		disk: o.Disk, copies: o.Copies, doomed: o.Doomed, temps: o.Temps, pieces: o.Pieces, references: o.References,
		retention: o.Retention, trashGrace: o.TrashGrace, now: o.Now, log: o.Log, random: o.Rand,
	}
}

// GC implements or3cloud.StorageCollector. A blob goes in two steps that are at least TrashGrace apart: its generation
// is retired by the sync provider and moved into the trash; later its content is claimed once more, under a new name,
// and the bytes are destroyed only if still nothing references it. DeletedCount counts first steps.
//
// No lock is held during a call to the sync provider. A concurrent upload or commit is safe because the generation is
// doomed before that call: from then on they make a generation of their own, which this run does not know.
func (c *Collector) GC(ctx context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	report, err := c.collectWorkspace(ctx, in)
	if err != nil || c.references == nil {
		return report, err
	}
	// Uploads in pieces that have expired go as well, in every workspace.
	_, err = c.pieces.Sweep()
	return report, refuse.Disk(err)
}

// collectWorkspace is GC without the uploads in pieces, which are not kept by workspace.
func (c *Collector) collectWorkspace(ctx context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	if err := checkGCRequest(in); err != nil {
		return or3cloud.StorageGCReport{}, err
	}
	if c.references == nil {
		return or3cloud.StorageGCReport{Status: "disabled", Reason: noReferences}, nil
	}
	defer c.collecting(in.WorkspaceID)()
	run := c.newRun(in)
	err := c.copies.Check()
	for _, step := range []func(context.Context) error{run.finishRetired, run.sweepLive, run.sweepTrash} {
		if err == nil {
			err = step(ctx)
		}
	}
	return run.report, refuse.Disk(err)
}

// noReferences is why nothing is collected when the sync provider does not know what is referenced.
const noReferences = "canonical_reference_state_required"

func checkGCRequest(in or3cloud.StorageGCRequest) error {
	switch {
	case !layout.ValidWorkspaceID(in.WorkspaceID):
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	case in.Retention < 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid retention_seconds")
	case in.Limit < 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid limit")
	}
	return nil
}

// collecting allows one run per workspace at a time: a refused claim makes a generation reliable again, and another run
// must not have offered it in the meantime.
func (c *Collector) collecting(workspace string) (done func()) {
	return c.copies.Lock(layout.Key{Workspace: workspace})
}
