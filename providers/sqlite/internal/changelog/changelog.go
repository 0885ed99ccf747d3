// Package changelog is the log of a workspace's changes: push, pull, snapshot and device cursors (requirements 3.1 to
// 3.3), and what is derived from the log in the same transaction: winners, names of kv rows, references to files.
package changelog

import (
	"context"
	"fmt"
	"sync"

	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/fill"
	"or3.chat/cloud/providers/sqlite/internal/follow"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Options configure a Log.
type Options struct {
	// WorkspaceQuota limits what one workspace keeps in the database, in bytes; 0 means no limit.
	WorkspaceQuota int64
	// RecentKeys is the number of keys after which a run of the index is written; 0 means the default of the index.
	RecentKeys int
	// Noticed is called with the error of each request for a workspace, nil included: this is how damage of the file is
	// found.
	Noticed func(workspaceID string, err error)
}

// MinRetention is the shortest retention of replaced entries: it keeps those that an unfinished snapshot still reads
// (see snapshotLife).
const MinRetention = 2 * snapshotLife

// Log is the log of all workspaces. It implements or3cloud.SyncGatewayAdapter, Snapshotter, Watcher and KVNameFreer.
type Log struct {
	e      *engine.Engine
	ws     *members.Workspaces
	opts   Options
	heads  heads
	index  *index.Index
	tail   tail
	texts  *entries.Cache // of what is pulled
	large  chan struct{}  // has the place for large ops
	tokens *signed.Signer // of pages of snapshots
	older  sync.Once      // whether it has been logged that the database is an older copy
	// ops counts committed ops by outcome.
	ops [outcomes]metric.Counter
}

// New returns the log of a database.
func New(ctx context.Context, e *engine.Engine, ws *members.Workspaces, opts Options) (*Log, error) {
	l := &Log{e: e, ws: ws, opts: opts, texts: entries.NewCache(), large: make(chan struct{}, 1)}
	key, err := e.Q.SigningKey(ctx, snapshotOperation)
	if err == nil {
		l.tokens, err = signed.New(snapshotOperation, e.Now, snapshotLife, string(key))
	}
	if err != nil {
		return nil, fmt.Errorf("key of snapshots: %w", err)
	}
	if err := fill.All(ctx, e, EntrySize); err != nil {
		return nil, fmt.Errorf("blocks of the log: %w", err)
	}
	if l.index, err = index.New(ctx, e, index.Options{Derive: follow.Deriver(e), Gone: follow.Gone(), RecentKeys: opts.RecentKeys}); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	if err := follow.MoveReferences(ctx, e, l.index); err != nil {
		l.index.Close()
		return nil, fmt.Errorf("references: %w", err)
	}
	return l, nil
}

// Close ends all watches and the background work. Requests must have ended or be about to end.
func (l *Log) Close() {
	l.heads.close()
	l.index.Close()
}

// WriteIndex makes sure that the runs of the index know the entries up to a version. What is only in memory is derived
// from the log again after a start: without a deletion that was collected in the meantime, the winner before it would
// be found.
func (l *Log) WriteIndex(ctx context.Context, num, version int64) error {
	indexed, err := l.e.Q.IndexedVersion(ctx, num)
	if err != nil || indexed >= version {
		return sqlitex.Translate(err)
	}
	return l.index.Write(ctx)
}
