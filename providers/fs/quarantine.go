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

// absence says what it means that a key has no bytes where its sidecar says.
func (s *Storage) absence(k blobKey, rec record) error {
	if rec.DamagedAt != nil && s.isSetAside(k, rec.Generation) {
		return errSetAside
	}
	return errAbsent
}

func (k blobKey) aside(generation string) string {
	return path.Join(quarantineDir, k.workspace, k.file(generation))
}

func (s *Storage) isSetAside(k blobKey, generation string) bool {
	_, err := s.Disk.Lstat(k.aside(generation))
	return err == nil
}

// quarantine moves a damaged copy and its digests aside. The sidecar stays and still names the copy, so that the content
// counts as damaged until it is uploaded again. It reports whether the copy was there.
func (s *Storage) quarantine(c copyOf) (bool, error) {
	defer s.locks.lock(c.blobKey)()
	if err := s.makeDir(quarantineDir, c.workspace); err != nil {
		return false, err
	}
	for _, from := range []string{c.live(c.generation), c.trash(c.generation)} {
		if _, err := s.Disk.Lstat(from); errors.Is(err, iofs.ErrNotExist) {
			continue
		} else if err != nil {
			return false, err
		}
		to := c.aside(c.generation)
		// The digests go first, so that a reader who finds the blob has found them.
		err := ignoreAbsence(s.Disk.Rename(from+sumsSuffix, to+sumsSuffix))
		if err == nil {
			err = s.Disk.Rename(from, to)
		}
		return err == nil, errors.Join(err, s.Disk.SyncDir(path.Dir(to)), s.Disk.SyncDir(path.Dir(from)))
	}
	return false, nil // It was replaced or deleted meanwhile.
}
