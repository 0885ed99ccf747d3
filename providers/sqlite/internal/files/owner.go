package files

import (
	"context"
	"math"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// MaxPromises is how many intents and holds there may be in all workspaces together of a user with a quota: they are
// added up in the writer.
const MaxPromises = 1000

// chargeOwner refuses growth in a workspace if everything that its owner stores exceeds the owner's quota. Of several
// owners it is the longest-standing one, whom administrators see as the owner.
func (f *Files) chargeOwner(ctx context.Context, t *engine.Tx, in or3cloud.UploadIntent, num, grown, promises int64) error {
	if in.Quota.UserBytes <= 0 || grown <= 0 {
		return nil
	}
	owner, err := t.Q.PayerOf(ctx, num)
	if engine.NoRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	paid, err := t.Q.PaidBy(ctx, db.PaidByParams{UserID: owner, Since: t.At - f.ws.DeletedFor().Milliseconds()})
	if err != nil {
		return err
	}
	bytes, open := int64(0), int64(0)
	for _, workspace := range paid {
		if err := t.Q.DropExpiredIntents(ctx, db.DropExpiredIntentsParams{Workspace: workspace, Now: t.At}); err != nil {
			return err
		}
		n, err := t.Q.CountIntents(ctx, workspace)
		if err != nil {
			return err
		}
		if open += n.Open + n.Holds; open > promises {
			return &or3cloud.Error{
				Code: or3cloud.CodeRateLimited, Message: "Too many uploads have begun and not ended in the workspaces of this user",
				RetryAfter: intentRetryAfter,
			}
		}
		use, err := storageUse(ctx, t.Q, f.sizesIn(t), workspace, t.At)
		if err != nil {
			return err
		}
		bytes = sum(bytes, use.Bytes+use.ReservedBytes)
	}
	what := "Storage quota of the workspace's owner"
	if owner == in.UserID {
		what = "Your storage quota for all your workspaces"
	}
	return exceeds(what, grown, bytes, in.Quota.UserBytes, "bytes")
}

// sum adds without overflow.
func sum(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
