package sqlite

import (
	"context"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// orphanLife is how many retentions the loss of a last reference is remembered. A claim asks for one; what is forgotten
// counts as never referenced, and the storage provider looks at the age of the copy as well.
const orphanLife = 4

// forgetOrphans removes what is known of references that were lost long ago.
func (s *Store) forgetOrphans(ctx context.Context, num int64) error {
	before := s.opts.Now().Add(-orphanLife * max(s.opts.Retention, s.opts.FileRetention)).UnixMilli()
	for {
		digests, err := s.q.OldOrphans(ctx, db.OldOrphansParams{Workspace: num, Before: before, Max: collectStep})
		if err != nil {
			return sqlitex.Translate(err)
		}
		err = s.w.do(ctx, func(ctx context.Context, t *tx) error {
			for _, digest := range digests {
				if err := t.q.ForgetOrphan(ctx, db.ForgetOrphanParams{Workspace: num, Digest: digest, Before: before}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(digests) < collectStep {
			return err
		}
	}
}
