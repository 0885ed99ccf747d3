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
	"strings"
)

// identityFile lies in the storage directory and holds a random id. A directory without it is a mount that has
// vanished, not a store without blobs; taking one for the other would answer 404 for every file.
const identityFile = ".or3-storage-id"

// knownRootFile lies in the data directory and remembers which store belongs to the instance.
const knownRootFile = "storage-fs.json"

var errForeignRoot = errors.New("fs: the storage directory lost its identity file")

// knownRoot is the content of knownRootFile.
type knownRoot struct {
	Root string `json:"root"`
	ID   string `json:"id"`
}

// identify returns the id of the store in root and gives a new store one. It fails if the data directory remembers
// another store under the same path. A path that the operator has changed is believed.
func identify(d Disk, root, dataDir string, random io.Reader) (string, error) {
	known, err := readKnownRoot(dataDir)
	if err != nil {
		return "", err
	}
	id, err := readIdentity(d)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) {
		return "", err
	}
	if known.Root == root && known.ID != id {
		return "", fmt.Errorf("%w: %s should contain %s with the id of this instance's store. "+
			"Mount the file system that belongs there; to start with an empty store instead, delete %s",
			errForeignRoot, root, identityFile, filepath.Join(dataDir, knownRootFile))
	}
	if id == "" {
		if id, err = randomName(random); err != nil {
			return "", err
		}
		if err := writeAtomic(d, identityFile, identityFile+tempMark+id, []byte(id+"\n")); err != nil {
			return "", err
		}
	}
	if known != (knownRoot{root, id}) {
		err = writeKnownRoot(dataDir, knownRoot{root, id}, random)
	}
	return id, err
}

func readIdentity(d Disk) (string, error) {
	b, err := readAll(d, identityFile, 1<<10)
	return strings.TrimSpace(string(b)), err
}

// checkIdentity fails when the store is not the one that was opened.
func checkIdentity(d Disk, want string) error {
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

func writeKnownRoot(dataDir string, known knownRoot, random io.Reader) error {
	b, err := json.Marshal(known)
	if err != nil {
		return err
	}
	name, err := randomName(random)
	if err != nil {
		return err
	}
	d, err := OpenDisk(dataDir)
	if err != nil {
		return err
	}
	return errors.Join(writeAtomic(d, knownRootFile, knownRootFile+tempMark+name, b), d.Close())
}

// randomName returns 128 random bits in hex.
func randomName(random io.Reader) (string, error) {
	var b [generationLength / 2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("fs: random name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
