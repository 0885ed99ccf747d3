package fs

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// storeName is the storage directory's among the stores of the instance.
const storeName = "blobs"

// identityFile lies in the storage directory and holds the identity of the instance. A directory without it is a mount
// that has vanished, not a store without blobs; taking one for the other would answer 404 for every file.
const identityFile = ".or3-storage-id"

// knownRootFile lay in the data directory and remembered a random id of the store, before stores carried the identity of
// the instance.
const knownRootFile = "storage-fs.json"

var errForeignRoot = errors.New("these are not the files of this instance")

// knownRoot is the content of knownRootFile.
type knownRoot struct {
	Root string `json:"root"`
	ID   string `json:"id"`
}

// find says what is at root. A store that moved carries its identity along, so its path does not matter.
func find(root string, env or3cloud.Env) (or3cloud.StoreFound, error) {
	found := or3cloud.StoreFound{Place: root}
	entries, err := os.ReadDir(root)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		found.Condition = or3cloud.StoreAbsent
		return found, checkKnownRoot(root, "", env)
	case err != nil:
		return found, err
	}
	d, err := volume.Open(root)
	if err != nil {
		return found, err
	}
	defer d.Close()
	id, err := readIdentity(d)
	switch {
	case err != nil && !errors.Is(err, iofs.ErrNotExist):
		return found, err
	case isInstance(id):
		found.Condition, found.Stamp = or3cloud.StoreStamped, or3cloud.StoreStamp{Store: storeName, Instance: id}
		return found, nil
	case slices.ContainsFunc(entries, func(e iofs.DirEntry) bool { return e.Name() != "lost+found" }):
		found.Condition = or3cloud.StoreUnstamped
	default:
		found.Condition = or3cloud.StoreBlank
	}
	return found, checkKnownRoot(root, id, env)
}

// isInstance reports whether the identity of a store is that of an instance, and not a random id of an earlier version,
// which has as many digits without the hyphens.
func isInstance(id string) bool { return len(id) == 36 && uuid.Validate(id) == nil }

// checkKnownRoot refuses a directory that is not the store which an earlier version of the program left under its path.
func checkKnownRoot(root, id string, env or3cloud.Env) error {
	known, err := readKnownRoot(env.DataDir)
	if err != nil || known.Root != root || known.ID == id {
		return err
	}
	return fmt.Errorf("%w: %s should contain %s with the id of this instance's store. "+
		"Mount the file system that belongs there; to start with an empty store instead, delete %s",
		errForeignRoot, root, identityFile, filepath.Join(env.DataDir, knownRootFile))
}

// identify writes the identity of the instance into the store if it is not there yet, and returns it.
func identify(d volume.Disk, found or3cloud.StoreFound, a or3cloud.StoreAdmission, env or3cloud.Env) (string, error) {
	id := a.Stamp.Instance
	if found.Stamp.Instance != id {
		name, err := randomName(env.Rand)
		if err != nil {
			return "", err
		}
		if err := volume.WriteAtomic(d, identityFile, identityFile+tempMark+name, []byte(id+"\n")); err != nil {
			return "", err
		}
	}
	if env.Stores == nil {
		return id, nil
	}
	if err := env.Stores.Confirm(or3cloud.StoreStamp{Store: storeName, Instance: id}); err != nil {
		return "", err
	}
	if err := os.Remove(filepath.Join(env.DataDir, knownRootFile)); err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return "", err
	}
	return id, nil
}

// admit asks whether the store may be opened. Where nothing is known of stores, any is good and new ones get a random
// identity.
func admit(found or3cloud.StoreFound, env or3cloud.Env) (a or3cloud.StoreAdmission, err error) {
	if env.Stores != nil {
		if a, err = env.Stores.Admit(storeName, found); err != nil {
			err = fmt.Errorf("%w: %w", errForeignRoot, err)
		}
		return a, err
	}
	if a.Stamp = found.Stamp; a.Stamp.Instance == "" {
		id, err := uuid.NewRandomFromReader(env.Rand)
		if err != nil {
			return a, err
		}
		a.Stamp.Instance = id.String()
	}
	return a, nil
}

func readIdentity(d volume.Disk) (string, error) {
	b, err := volume.ReadAll(d, identityFile, 1<<10)
	return strings.TrimSpace(string(b)), err
}

// checkIdentity fails when the store is not the one that was opened.
func checkIdentity(d volume.Disk, want string) error {
	got, err := readIdentity(d)
	if err == nil && got != want {
		err = errForeignRoot
	}
	return err
}

func readKnownRoot(dataDir string) (knownRoot, error) {
	var known knownRoot
	b, err := os.ReadFile(filepath.Join(dataDir, knownRootFile))
	if errors.Is(err, iofs.ErrNotExist) {
		return known, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &known)
	}
	return known, err
}

// randomName returns 128 random bits in hex.
func randomName(random io.Reader) (string, error) {
	var b [generationLength / 2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("fs: random name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
