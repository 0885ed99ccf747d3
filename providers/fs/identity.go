package fs

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// storeName is the name of the storage directory among the stores of the instance.
const storeName = "blobs"

// knownRootFile was in the data directory and remembered a random id of the store, before stores carried the identity
// of the instance.
const knownRootFile = "storage-fs.json"

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
	id, err := volume.ReadIdentity(d)
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

// checkKnownRoot refuses a directory that is not the store that an earlier version of the program left at its path.
func checkKnownRoot(root, id string, env or3cloud.Env) error {
	known, err := readKnownRoot(env.DataDir)
	if err != nil || known.Root != root || known.ID == id {
		return err
	}
	return fmt.Errorf("%w: %s should contain %s with the id of this instance's store. "+
		"Mount the file system that belongs there; to start with an empty store instead, delete %s",
		volume.ErrForeign, root, volume.IdentityFile, filepath.Join(env.DataDir, knownRootFile))
}

// identify writes the identity of the instance into the store if it is not there yet, and returns it.
func identify(d volume.Disk, found or3cloud.StoreFound, a or3cloud.StoreAdmission, env or3cloud.Env) (string, error) {
	id := a.Stamp.Instance
	if found.Stamp.Instance != id {
		name, err := layout.RandomName(env.Rand)
		if err != nil {
			return "", err
		}
		if err := volume.WriteAtomic(d, volume.IdentityFile, volume.IdentityFile+layout.TempMark+name, []byte(id+"\n")); err != nil {
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

// admit asks whether the store may be opened. An instance that remembers no stores accepts any, and gives new ones a
// random identity.
func admit(found or3cloud.StoreFound, env or3cloud.Env) (a or3cloud.StoreAdmission, err error) {
	if env.Stores != nil {
		if a, err = env.Stores.Admit(storeName, found); err != nil {
			err = fmt.Errorf("%w: %w", volume.ErrForeign, err)
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
