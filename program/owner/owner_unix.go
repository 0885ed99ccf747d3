//go:build unix

package owner

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"or3.chat/cloud/internal/datadir"
)

// foreignOwner reports whether this process is root and the data directory at a path belongs to another user, to whom
// the file system does not give what root creates.
func foreignOwner(path string) (owner datadir.Owner, foreign bool, err error) {
	owner, foreign, err = otherOwner(path)
	return owner, foreign && !datadir.GivesAway(path, owner), err
}

// otherOwner is foreignOwner without trying to whom the file system gives new files.
func otherOwner(path string) (owner datadir.Owner, other bool, err error) {
	if os.Geteuid() != 0 {
		return owner, false, nil
	}
	owner, err = datadir.OwnerOf(path)
	if errors.Is(err, fs.ErrNotExist) {
		return owner, false, nil
	}
	if err != nil {
		return owner, false, err
	}
	return owner, owner.UID != 0, nil
}

// Look is Become for a command that changes nothing, not even to find out what the file system does with files of root.
// If this process cannot become the owner, it stays root.
func Look(path string) (Home, error) {
	owner, other, err := otherOwner(path)
	if err != nil || !other {
		return Home{Path: path}, err
	}
	home, err := as(owner, path)
	if os.Geteuid() == 0 {
		return Home{Path: path}, nil
	}
	return home, err
}

// Become makes this process, if it runs as root, run permanently as the owner of the data directory at a path. It
// returns the directory as that user reaches it.
func Become(path string) (Home, error) {
	owner, foreign, err := foreignOwner(path)
	if err != nil || !foreign {
		return Home{Path: path}, err
	}
	return as(owner, path)
}

// as makes this process run as a user, and returns the user's data directory as that user reaches it.
func as(owner datadir.Owner, path string) (Home, error) {
	dir, err := os.Open(path)
	if err != nil {
		return Home{}, fmt.Errorf("open the data directory: %w", err)
	}
	if err := become(owner); err != nil {
		return Home{}, errors.Join(fmt.Errorf("the data directory %s belongs to the user with id %d, and this process cannot become that user (%w); run the command with: %s",
			path, owner.UID, err, setpriv(owner)), dir.Close())
	}
	// Only root may be allowed to pass the directories above, as with systemd's DynamicUser=. What is open stays
	// reachable.
	through := fmt.Sprintf("/proc/self/fd/%d", dir.Fd())
	for _, way := range []string{path, through} {
		if leadsTo(way, dir) {
			return Home{Path: way, open: dir}, nil
		}
	}
	return Home{}, errors.Join(fmt.Errorf("the user with id %d, who owns the data directory %s, cannot reach it: a directory above lets only other users pass",
		owner.UID, path), dir.Close())
}

// become gives up root permanently, with the groups that a login of the user would have.
func become(owner datadir.Owner) error {
	gid, groups := owner.GID, []int{owner.GID}
	if u, err := user.LookupId(strconv.Itoa(owner.UID)); err == nil {
		if primary, err := strconv.Atoi(u.Gid); err == nil {
			gid = primary
		}
		ids, _ := u.GroupIds()
		for _, id := range ids {
			if group, err := strconv.Atoi(id); err == nil {
				groups = append(groups, group)
			}
		}
	}
	if err := syscall.Setgroups(groups); err != nil {
		return fmt.Errorf("setgroups: %w", err)
	}
	if err := syscall.Setgid(gid); err != nil {
		return fmt.Errorf("setgid: %w", err)
	}
	if err := syscall.Setuid(owner.UID); err != nil {
		return fmt.Errorf("setuid: %w", err)
	}
	return nil
}

// leadsTo reports whether a path leads to an open directory, and into it.
func leadsTo(path string, dir *os.File) bool {
	want, err := dir.Stat()
	if err != nil {
		return false
	}
	got, err := os.Stat(path)
	if err != nil || !os.SameFile(want, got) {
		return false
	}
	_, err = os.Stat(path + "/.")
	return err == nil
}
