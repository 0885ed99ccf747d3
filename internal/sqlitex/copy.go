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
	"or3.chat/cloud/internal/diskspace"
)

// CopyOf returns the name of the copy of a database from before a migration.
func CopyOf(path string, before int64) string { return fmt.Sprintf("%s.before-%d", path, before) }

// copyMargin is how much space a migration takes in addition to the copy, in bytes: for write-ahead logs, and for what
// is written before something is deleted. For a large file, an eighth of its size is added.
const copyMargin = 128 << 20

// keepCopy copies the file, unless an interrupted start has already done so. The program has the file to itself.
func keepCopy(ctx context.Context, db *sql.DB, opts Options, before int64) (err error) {
	name := CopyOf(opts.Path, before)
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
	if err := roomForCopy(from, opts); err != nil {
		return err
	}
	// The final name exists only once the copy is complete.
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

// roomForCopy refuses to begin if there is not enough disk space.
func roomForCopy(file *os.File, opts Options) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	measure := opts.Measure
	if measure == nil {
		measure = diskspace.Measure
	}
	room, err := measure(filepath.Dir(opts.Path))
	if err != nil {
		return nil // a lack of space will show later
	}
	const mib = 1 << 20
	if needed := uint64(info.Size() + info.Size()/8 + copyMargin); room.Free < needed {
		return fmt.Errorf("it has %d MiB, which stay as a copy for a while, so %d MiB of space are needed, and %s has %d MiB: free some space and start again",
			info.Size()/mib+1, needed/mib+1, filepath.Dir(opts.Path), room.Free/mib)
	}
	return nil
}
