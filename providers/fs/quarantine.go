package fs

import (
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
)

// quarantineDir has the corrupt copies that were moved aside. Nothing is served from there, and nothing but an operator
// removes anything: part of a file can be worth more to its owner than nothing.
const quarantineDir = "quarantine"

// errSetAside is content whose only copy is in quarantine. It is damage and no absence.
var errSetAside = fmt.Errorf("%w: its only copy is in quarantine", errDamaged)

// quarantine moves a damaged copy and its digests aside. The sidecar stays and still names the copy, so that the content
// counts as damaged until it is uploaded again.
func (s *Storage) quarantine(c copyOf) error {
	defer s.locks.lock(c.blobKey)()
	if err := s.makeDir(quarantineDir, c.workspace); err != nil {
		return err
	}
	for _, from := range []string{c.live(c.generation), c.trash(c.generation)} {
		to := path.Join(quarantineDir, c.workspace, c.file(c.generation))
		// The digests go first, so that a reader who finds the blob has found them.
		err := ignoreAbsence(s.Disk.Rename(from+sumsSuffix, to+sumsSuffix))
		if err == nil {
			err = s.Disk.Rename(from, to)
		}
		if errors.Is(err, iofs.ErrNotExist) {
			continue
		}
		return errors.Join(err, s.Disk.SyncDir(path.Dir(to)), s.Disk.SyncDir(path.Dir(from)))
	}
	return nil // It was replaced or deleted meanwhile.
}
