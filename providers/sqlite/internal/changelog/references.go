package changelog

import (
	"errors"
	"math"
	"slices"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// The index says which rows name a content, under the digest of the content. Every winner puts what it names there, and
// thereby voids what the one before it has named. What a winner names is also stored under its entry, to know which
// digests the next one drops: the time is recorded, and is that of the loss if nothing else names the content. Both
// tables are written at their ends.

// Index returns the index as the transaction of a job sees it, until the job changes it.
func Index(l *Log, t *engine.Tx) *index.View { return l.index.In(t) }

// refer stores what a message or a post names.
func (p *push) refer(op *preparedOp, state syncrule.State, old *record) error {
	var want, had []string
	if state.Fate() == syncrule.Live {
		want = op.refs
	}
	if old.Version > 0 && old.State.Fate() == syncrule.Live {
		whole := true
		_, err := engine.One(p.St.DeleteRefs, func(s *sqlite3.Stmt) { had, whole = layout.UnpackDigests(s.ColumnRawBlob(0)) }, layout.EntryID(p.workspace, old.Version))
		if err == nil && !whole {
			err = layout.ErrDigests
		}
		if err != nil {
			return err
		}
	}
	for _, digest := range had {
		if _, kept := slices.BinarySearch(want, digest); !kept {
			if err := p.drop(digest); err != nil {
				return err
			}
		}
	}
	if len(want) == 0 {
		return nil
	}
	p.refs += len(want)
	for _, digest := range want {
		index.PutReference(p.log.index, p.workspace, digest, op.table, op.key, p.version)
	}
	return engine.Run(p.St.InsertRefs, layout.EntryID(p.workspace, p.version), layout.PackDigests(want))
}

// drop records when a record has dropped a content.
func (p *push) drop(digest string) error {
	p.refs++
	return engine.Run(p.St.Orphan, p.workspace, digest, p.At)
}

// deriveFile keeps a file_meta row, which names its content as long as it is live.
func (p *push) deriveFile(op *preparedOp, state syncrule.State, old *record) error {
	digest, wasLive := syncschema.Digest(op.PK), old.Version > 0 && old.State.Fate() == syncrule.Live
	if wasLive {
		_, err := engine.One(p.St.DeleteFile, func(s *sqlite3.Stmt) { p.files.add(s.ColumnInt64(0), -1) }, layout.EntryID(p.workspace, old.Version))
		if err != nil {
			return err
		}
	}
	if state.Fate() != syncrule.Live {
		// A deleted file frees its space in the quota at once, whatever is still on the disk.
		if err := p.releaseHold(digest, math.MaxInt64); err != nil || !wasLive {
			return err
		}
		return p.drop(digest)
	}
	f := &op.Facts.File
	p.files.add(f.SizeBytes, 1)
	p.refs++
	index.PutReference(p.log.index, p.workspace, digest, op.table, op.key, p.version)
	return errors.Join(
		engine.Run(p.St.InsertFile, layout.EntryID(p.workspace, p.version), f.SizeBytes, f.UpdatedAt, f.StorageID, f.MIMEType, f.Name, f.Kind),
		p.releaseHold(digest, f.SizeBytes))
}

// releaseHold ends the hold that reserves space for a committed upload of a content, unless it is for more bytes.
func (p *push) releaseHold(digest string, size int64) (err error) {
	if !p.files.asked {
		p.files.asked = true
		if p.files.promised, err = engine.One(p.St.AnyIntent, func(*sqlite3.Stmt) {}, p.workspace); err != nil {
			return err
		}
	}
	if !p.files.promised {
		return nil
	}
	return engine.Run(p.St.ReleaseHold, p.workspace, digest, size)
}

// files is what a job does to the files of a workspace, and what it knows about them.
type files struct {
	bytes, rows int64
	asked       bool // whether it is known if space is
	promised    bool // to any upload
}

// maxCounted is the most that a row counts, so that no client can make the sum overflow.
const maxCounted = 1 << 40

func (f *files) add(size, rows int64) {
	f.bytes += rows * min(size, maxCounted)
	f.rows += rows
}

// count adds it to the sum of the live file_meta rows of the workspace.
func (f *files) count(t *engine.Tx, workspace int64) error {
	if f.bytes == 0 && f.rows == 0 {
		return nil
	}
	return engine.Run(t.St.AddUse, workspace, f.bytes, f.rows)
}
