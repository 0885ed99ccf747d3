package sqlitex

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"or3.chat/cloud/internal/dirsync"
)

// CopyOf is the name of the copy of a database from before a migration.
func CopyOf(path string, before int64) string { return fmt.Sprintf("%s.before-%d", path, before) }

// keepCopy copies the file, unless a start that was interrupted has done it. The program has the file for itself.
func keepCopy(ctx context.Context, db *sql.DB, opts Options) (err error) {
	name := CopyOf(opts.Path, opts.KeepBefore)
	if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var busy, pages, copied int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &pages, &copied); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("another program reads the database")
	}
	from, err := os.Open(opts.Path)
	if err != nil {
		return err
	}
	defer from.Close()
	// The name is there when the copy is whole.
	to, err := os.OpenFile(name+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(name+".part"))
		}
	}()
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Sync(), to.Close()); err != nil {
		return err
	}
	if err := os.Rename(name+".part", name); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	return errors.Join(dirsync.Sync(dir), dir.Close())
}
