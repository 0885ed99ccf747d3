package files

import (
	"context"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// orphanLife is for how many retentions the loss of a last reference is remembered. A claim requires one; what is
// forgotten counts as never referenced, and the storage provider looks at the age of the copy as well.
const orphanLife = 4

// forgetStep is how many are forgotten in one transaction.
const forgetStep = 256

// ForgetOrphans drops references that a workspace lost long ago.
func (f *Files) ForgetOrphans(ctx context.Context, workspaceID string) error {
	num, err := f.ws.Number(ctx, workspaceID)
	if err != nil {
		return err
	}
	before := f.e.Now().Add(-orphanLife * max(f.opts.Retention, f.opts.FileRetention)).UnixMilli()
	for {
		digests, err := f.e.Q.OldOrphans(ctx, db.OldOrphansParams{Workspace: num, Before: before, Max: forgetStep})
		if err != nil {
			return sqlitex.Translate(err)
		}
		err = f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			for _, digest := range digests {
				if err := t.Q.ForgetOrphan(ctx, db.ForgetOrphanParams{Workspace: num, Digest: digest, Before: before}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(digests) < forgetStep {
			return err
		}
	}
}
