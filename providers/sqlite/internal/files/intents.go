package files

import (
	"context"
	"math"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Quotas are decided in the transaction that writes an intent, so that parallel uploads see each other. The push that
// changes the sums keeps them up to date (changelog/references.go).

// hold is the id of the row that reserves the space of a committed upload.
const hold = ""

const (
	// MaxOpenIntents is how many unfinished uploads into one workspace there may be. A browser has four in a tab.
	MaxOpenIntents = 500
	// MaxHolds is how many committed contents may wait for their row. Rows come within seconds; beyond the limit the
	// hold that ends first is dropped, and the storage provider still limits what is on the disk.
	MaxHolds = 500
	// intentRetryAfter is how long a client with too many unfinished uploads is told to wait.
	intentRetryAfter = time.Minute
)

// ReserveUploadIntent implements or3cloud.UploadIntents.
func (f *Files) ReserveUploadIntent(ctx context.Context, in or3cloud.UploadIntent) error {
	return f.takeRoom(ctx, in, MaxPromises, func(ctx context.Context, t *engine.Tx, num int64) error {
		n, err := t.Q.CountIntents(ctx, num)
		if err != nil {
			return err
		}
		if n.Open >= MaxOpenIntents {
			return &or3cloud.Error{
				Code: or3cloud.CodeRateLimited, Message: "Too many uploads have begun and not ended", RetryAfter: intentRetryAfter,
			}
		}
		return t.Q.InsertIntent(ctx, db.InsertIntentParams{
			Workspace: num, Digest: in.Hash.Digest(), ID: in.ID, SizeBytes: in.SizeBytes, ExpiresAt: in.ExpiresAt.UnixMilli(),
		})
	})
}

// ConsumeUploadIntent implements or3cloud.UploadIntents.
func (f *Files) ConsumeUploadIntent(ctx context.Context, in or3cloud.UploadIntent) error {
	return f.takeRoom(ctx, in, math.MaxInt64, func(ctx context.Context, t *engine.Tx, num int64) error {
		digest := in.Hash.Digest()
		if in.ID != hold {
			other, err := t.Q.IntentDigest(ctx, db.IntentDigestParams{Workspace: num, ID: in.ID})
			if err == nil && other != digest {
				return or3cloud.Errorf(or3cloud.CodeConflict, "Upload intent expired, mismatched, or already consumed")
			}
			if err != nil && !engine.NoRows(err) {
				return err
			}
		}
		if err := t.Q.DropIntentsOf(ctx, db.DropIntentsOfParams{Workspace: num, Digest: digest}); err != nil {
			return err
		}
		counted, err := f.sizesIn(t).of(num, digest)
		if err != nil || counted >= in.SizeBytes {
			return err
		}
		n, err := t.Q.CountIntents(ctx, num)
		if err == nil && n.Holds >= MaxHolds {
			err = t.Q.DropFirstHold(ctx, num)
		}
		if err != nil {
			return err
		}
		return t.Q.InsertIntent(ctx, db.InsertIntentParams{
			Workspace: num, Digest: digest, ID: hold, SizeBytes: in.SizeBytes, ExpiresAt: in.ExpiresAt.UnixMilli(),
		})
	})
}

// takeRoom lets write change the intents of a workspace, and undoes that if the sum is larger afterwards, and too
// large. A content that already counted is thus never refused, not even in a workspace that is over its quota. promises
// is how many intents there may be in all workspaces of the owner, whose quota counts as well.
func (f *Files) takeRoom(ctx context.Context, in or3cloud.UploadIntent, promises int64, write func(context.Context, *engine.Tx, int64) error) error {
	num, err := f.ws.Number(ctx, in.WorkspaceID)
	if err != nil {
		return err
	}
	return f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceWrite); err != nil {
			return err
		}
		if err := t.Q.DropExpiredIntents(ctx, db.DropExpiredIntentsParams{Workspace: num, Now: t.At}); err != nil {
			return err
		}
		before, err := storageUse(ctx, t.Q, f.sizesIn(t), num, t.At)
		if err != nil {
			return err
		}
		if err := write(ctx, t, num); err != nil {
			return err
		}
		after, err := storageUse(ctx, t.Q, f.sizesIn(t), num, t.At)
		if err != nil {
			return err
		}
		grown := after.Bytes + after.ReservedBytes - before.Bytes - before.ReservedBytes
		if err := exceeds("Workspace storage quota", grown, after.Bytes+after.ReservedBytes, in.Quota.Bytes, "bytes"); err != nil {
			return err
		}
		grownFiles := after.Files + after.ReservedFiles - before.Files - before.ReservedFiles
		if err := exceeds("Workspace storage quota", grownFiles, after.Files+after.ReservedFiles, in.Quota.Files, "files"); err != nil {
			return err
		}
		return f.chargeOwner(ctx, t, in, num, grown, promises)
	})
}

// exceeds is the refusal of something that has grown beyond a quota.
func exceeds(what string, grown, now, quota int64, unit string) error {
	if quota <= 0 || now <= quota || grown <= 0 {
		return nil
	}
	return or3cloud.Errorf(or3cloud.CodeTooLarge, "%s exceeded (%d > %d %s)", what, now, quota, unit)
}

// CancelUploadIntent implements or3cloud.UploadIntents.
func (f *Files) CancelUploadIntent(ctx context.Context, workspaceID, id string) error {
	num, err := f.ws.Number(ctx, workspaceID)
	if err != nil {
		return err
	}
	return f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		n := int64(0)
		if id != hold {
			if n, err = t.Q.CancelIntent(ctx, db.CancelIntentParams{Workspace: num, ID: id, Now: t.At}); err != nil {
				return err
			}
		}
		if n == 0 {
			return or3cloud.Errorf(or3cloud.CodeConflict, "Upload intent is not active")
		}
		return nil
	})
}

// StorageUsage implements or3cloud.StorageUsage.
func (f *Files) StorageUsage(ctx context.Context, workspaceID string) (or3cloud.StorageUse, error) {
	num, err := f.ws.Number(ctx, workspaceID)
	if err != nil {
		return or3cloud.StorageUse{}, err
	}
	use := or3cloud.StorageUse{}
	err = f.log.View(ctx, func(r *changelog.Reader) (err error) {
		use, err = storageUse(ctx, f.e.Q, sizes{&r.View, r.St.File}, num, f.e.Now().UnixMilli())
		return err
	})
	return use, sqlitex.Translate(err)
}

func storageUse(ctx context.Context, q *db.Queries, s sizes, num, now int64) (use or3cloud.StorageUse, err error) {
	rows, err := q.WorkspaceUse(ctx, num)
	if err != nil && !engine.NoRows(err) {
		return use, err
	}
	use.Bytes, use.Files = rows.Bytes, rows.Files
	// What intents add to the rows: each content once, and only what exceeds the row that counts it.
	promised, err := q.PromisedRoom(ctx, db.PromisedRoomParams{Workspace: num, Now: now})
	if err != nil {
		return use, err
	}
	for _, p := range promised {
		counted, err := s.of(num, p.Digest)
		if err != nil {
			return use, err
		}
		use.ReservedBytes += max(p.Room-max(counted, 0), 0)
		if counted < 0 {
			use.ReservedFiles++
		}
	}
	return use, nil
}

// maxRows is how many file_meta rows of a content are looked at for its size. Clients give a content one row or two.
const maxRows = 256

// sizes knows the sizes of files in a transaction.
type sizes struct {
	view *index.View
	file *sqlite3.Stmt
}

func (f *Files) sizesIn(t *engine.Tx) sizes { return sizes{changelog.Index(f.log, t), t.St.File} }

// of returns the size at which the live file_meta rows count a content; -1 if there are none.
func (s sizes) of(num int64, digest string) (size int64, err error) {
	size = -1
	refs := s.view.ReferencesTo(num, digest, 0, nil, 0).AtMost(maxRows)
	for refs.Next() && refs.Table == layout.TableNumber(or3cloud.TableFileMeta) {
		_, err := engine.One(s.file, func(s *sqlite3.Stmt) { size = max(size, s.ColumnInt64(0)) }, layout.EntryID(num, refs.Version))
		if err != nil {
			return 0, err
		}
	}
	return size, refs.Err()
}
