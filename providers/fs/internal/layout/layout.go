// Package layout says what the files of the store are called and what a name means: keys, generations, sidecars,
// digests, unfinished files. It touches no file.
package layout

import (
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"strings"

	or3cloud "or3.chat/cloud"
)

// MaxWorkspaceID is the length of the longest workspace id that can be a directory name.
const MaxWorkspaceID = 128

// The directories of the store. Each has a subdirectory for every workspace.
const (
	// Workspaces has the content in use and the sidecars.
	Workspaces = "workspaces"
	// Trash has what was retired. It is still served.
	Trash = "trash"
	// Quarantine has the corrupt copies that were moved aside. Nothing is served from there, and only an operator
	// removes anything: part of a file can be worth more to its owner than nothing.
	Quarantine = "quarantine"
)

const (
	// SidecarSuffix makes the name of a sidecar from that of its blob.
	SidecarSuffix = ".meta.json"
	// SumsSuffix makes the name of a generation's digests from the generation's.
	SumsSuffix = ".sums"
	// GenerationLength is the length of a generation name: 128 random bits in hex.
	GenerationLength = 32
)

// Key names a content in a workspace. One that came from NewKey or ParseName is safe in a path: its workspace id
// has letters, digits, '-' and '_' only, its hash is canonical.
type Key struct {
	Workspace string
	Hash      or3cloud.BlobHash
}

// NewKey checks both parts; ok is false if either must not become part of a path.
func NewKey(workspace, hash string) (k Key, ok bool) {
	h, ok := or3cloud.ParseBlobHash(hash)
	return Key{workspace, h}, ok && ValidWorkspaceID(workspace)
}

// ValidWorkspaceID reports whether id consists of [A-Za-z0-9_-], is not too long, and is not the name of a device on
// some system, which would be opened instead of a directory.
func ValidWorkspaceID(id string) bool {
	if id == "" || len(id) > MaxWorkspaceID {
		return false
	}
	for i := range len(id) {
		c := id[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return !isDeviceName(id)
}

func isDeviceName(id string) bool {
	id = strings.ToUpper(id)
	switch id {
	case "CON", "PRN", "AUX", "NUL":
		return true
	}
	return len(id) == 4 && (strings.HasPrefix(id, "COM") || strings.HasPrefix(id, "LPT")) && id[3] >= '0' && id[3] <= '9'
}

// ValidGeneration reports whether g is a name that RandomName makes, or the empty name of a file from before
// generations.
func ValidGeneration(g string) bool {
	return g == "" || len(g) == GenerationLength && strings.Trim(g, "0123456789abcdef") == ""
}

// Base is the file name that the npm package gives the blob.
func (k Key) Base() string { return k.Hash.Algorithm() + "_" + k.Hash.Digest() }

// Dir is the directory of the key in use.
func (k Key) Dir() string { return WorkspaceDir(k.Workspace) }

// WorkspaceDir is the directory of a workspace in use.
func WorkspaceDir(workspace string) string { return path.Join(Workspaces, workspace) }

// Live is the path of a generation in use, Trash that of a retired one, and Aside that of one in quarantine.
func (k Key) Live(generation string) string { return path.Join(k.Dir(), k.File(generation)) }

func (k Key) Trash(generation string) string {
	return path.Join(Trash, k.Workspace, k.File(generation))
}

func (k Key) Aside(generation string) string {
	return path.Join(Quarantine, k.Workspace, k.File(generation))
}

// File is the file name of a generation.
func (k Key) File(generation string) string {
	if generation == "" {
		return k.Base()
	}
	return k.Base() + "." + generation
}

// Sidecar is the path of the sidecar.
func (k Key) Sidecar() string { return path.Join(k.Dir(), k.Base()+SidecarSuffix) }

// Temp is the path of an unfinished file of this key.
func (k Key) Temp(random string) string { return path.Join(k.Dir(), k.Base()+TempMark+random) }

// StorageID is what clients keep as storage_id (contract, storage §7.1).
func (k Key) StorageID() string { return k.Workspace + ":" + string(k.Hash) }

// ParseName takes a file name of a workspace directory apart. For a sidecar, generation is empty and sidecar is true.
// ok is false for temporary and foreign names.
func ParseName(workspace, name string) (k Key, generation string, sidecar, ok bool) {
	base, sidecar := strings.CutSuffix(name, SidecarSuffix)
	if !sidecar {
		base, generation, _ = strings.Cut(name, ".")
	}
	alg, digest, _ := strings.Cut(base, "_")
	k, ok = NewKey(workspace, alg+":"+digest)
	// Comparing with what we would have written refuses every other spelling of the same key.
	ok = ok && ValidGeneration(generation) && (sidecar && name == k.Base()+SidecarSuffix || name == k.File(generation))
	return k, generation, sidecar, ok
}

// ParseSumsName takes the name of a file of digests apart.
func ParseSumsName(workspace, name string) (k Key, generation string, ok bool) {
	name, ok = strings.CutSuffix(name, SumsSuffix)
	if !ok {
		return k, "", false
	}
	k, generation, sidecar, ok := ParseName(workspace, name)
	return k, generation, ok && !sidecar
}

// TempMark is part of the name of every unfinished file, here and in the npm package (contract, storage §7.4).
const TempMark = ".tmp-"

// IsTemp reports whether a file name is that of an unfinished file.
func IsTemp(name string) bool { return strings.Contains(name, TempMark) }

// RandomName returns 128 random bits in hex.
func RandomName(random io.Reader) (string, error) {
	var b [GenerationLength / 2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("fs: random name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}
