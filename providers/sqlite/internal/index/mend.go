package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// An index that cannot be read is rebuilt, since the log has everything that it says. Its tables are renamed, which
// needs none of their pages, and this start, or the next one, drops them.

// tables are those of the index.
var tables = []string{"index_state", "index_runs", "index_pieces"}

// errUnmade is why nothing can be looked up.
var errUnmade = errors.New("the index of the sync database is being rebuilt")

// notice records an error in what the index has stored. If it is damage, the compaction rebuilds the index.
func (x *Index) notice(err error) {
	if sqlitex.IsDamage(err) && x.damage.CompareAndSwap(nil, &err) {
		x.loop.Wake()
	}
}

// derive brings the index up to date with the log: from nothing if it cannot be read.
func (x *Index) derive(ctx context.Context) error {
	if damage := x.damage.Load(); damage != nil {
		x.e.Log.Error("the index of the sync database is damaged and is being rebuilt from the log", "error", *damage)
		if err := x.e.Do(ctx, x.putAside); err != nil {
			return err
		}
		x.damage.Store(nil)
	}
	blind, err := x.opts.Derive(ctx, x)
	if err != nil {
		return err
	}
	if s := x.committed(); s.fault == nil && len(blind) == 0 {
		return nil
	}
	return x.e.Do(ctx, func(context.Context, *engine.Tx) error {
		x.current.fault, x.current.blind, x.changed = nil, blind, true
		return nil
	})
}

// putAside replaces the tables by empty ones.
func (x *Index) putAside(ctx context.Context, t *engine.Tx) error {
	for _, table := range tables {
		var text string
		if err := t.Conn.QueryRowContext(ctx, "SELECT sql FROM sqlite_schema WHERE name = ?", table).Scan(&text); err != nil {
			return err
		}
		if err := t.C.Exec(fmt.Sprintf("ALTER TABLE %s RENAME TO %[1]s_unreadable_%d", table, t.At)); err != nil {
			return err
		}
		if err := t.C.Exec(text); err != nil {
			return err
		}
	}
	x.current = state{generation: x.current.generation, fault: errUnmade}
	x.changed = true
	x.rebase()
	return t.C.Exec(fmt.Sprintf("INSERT INTO index_state (id, generation, gone) VALUES (1, %d, 0); UPDATE counters SET indexed = 0", x.current.generation))
}

// dropAside drops the tables that were renamed. If so much is damaged that it is not known which pages are theirs, they
// stay, and the next start tries again.
func dropAside(ctx context.Context, e *engine.Engine) error {
	names, err := aside(ctx, e)
	if err != nil || len(names) == 0 {
		return err
	}
	// The content of the pages does not matter any more.
	err = e.Outside(ctx, "PRAGMA checksum_verification=OFF")
	for _, name := range names {
		dropped := e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
			return t.C.Exec("DROP TABLE " + sqlite3.QuoteIdentifier(name))
		})
		if dropped != nil {
			e.Log.Warn("a damaged table of the sync database that is no longer in use could not be dropped and takes up space", "table", name, "error", dropped)
		}
	}
	return errors.Join(err, e.Outside(ctx, "PRAGMA checksum_verification=ON"))
}

func aside(ctx context.Context, e *engine.Engine) (names []string, err error) {
	rows, err := e.DB.Read.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'index_*_unreadable_*'")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}
