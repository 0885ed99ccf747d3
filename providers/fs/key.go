package fs

import (
	"path"
	"strings"

	or3cloud "or3.chat/cloud"
)

// maxWorkspaceID is the length of the longest workspace id that becomes a directory name.
const maxWorkspaceID = 128

const (
	workspacesDir = "workspaces"
	trashDir      = "trash"
	sidecarSuffix = ".meta.json"
	// generationLength is the length of a generation name: 128 random bits in hex.
	generationLength = 32
)

// blobKey names a content in a workspace. One that came from newKey or parseName is safe in a path: its workspace id
// has letters, digits, '-' and '_' only, its hash is canonical.
type blobKey struct {
	workspace string
	hash      or3cloud.BlobHash
}

// newKey checks both parts; ok is false if one of them must not become part of a path.
func newKey(workspace, hash string) (k blobKey, ok bool) {
	h, ok := or3cloud.ParseBlobHash(hash)
	return blobKey{workspace, h}, ok && validWorkspaceID(workspace)
}

// validWorkspaceID reports whether id is made of [A-Za-z0-9_-], of bounded length and not the name of a device on
// some system, which would be opened instead of a directory.
func validWorkspaceID(id string) bool {
	if id == "" || len(id) > maxWorkspaceID {
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

// validGeneration reports whether g is a name that newGeneration makes, or the empty name of a file that was there
// before generations.
func validGeneration(g string) bool {
	return g == "" || len(g) == generationLength && strings.Trim(g, "0123456789abcdef") == ""
}

// base is the file name that the npm package gives the blob.
func (k blobKey) base() string { return k.hash.Algorithm() + "_" + k.hash.Digest() }

func (k blobKey) dir() string { return workspaceDir(k.workspace) }

func workspaceDir(workspace string) string { return path.Join(workspacesDir, workspace) }

// live is the path of a generation in use, trash that of a retired one.
func (k blobKey) live(generation string) string { return path.Join(k.dir(), k.file(generation)) }

func (k blobKey) trash(generation string) string {
	return path.Join(trashDir, k.workspace, k.file(generation))
}

func (k blobKey) file(generation string) string {
	if generation == "" {
		return k.base()
	}
	return k.base() + "." + generation
}

func (k blobKey) sidecar() string { return path.Join(k.dir(), k.base()+sidecarSuffix) }

// temp is the path of an unfinished file of this key.
func (k blobKey) temp(random string) string { return path.Join(k.dir(), k.base()+tempMark+random) }

// storageID is what clients keep as storage_id (contract, storage §7.1).
func (k blobKey) storageID() string { return k.workspace + ":" + string(k.hash) }

// parseName takes a file name of a workspace directory apart. For a sidecar, generation is empty and sidecar true. ok
// is false for temporary and foreign names.
func parseName(workspace, name string) (k blobKey, generation string, sidecar, ok bool) {
	base, sidecar := strings.CutSuffix(name, sidecarSuffix)
	if !sidecar {
		base, generation, _ = strings.Cut(name, ".")
	}
	alg, digest, _ := strings.Cut(base, "_")
	k, ok = newKey(workspace, alg+":"+digest)
	// Comparing with what we would have written refuses every other spelling of the same key.
	ok = ok && validGeneration(generation) && (sidecar && name == k.base()+sidecarSuffix || name == k.file(generation))
	return k, generation, sidecar, ok
}

// tempMark is part of the name of every unfinished file, here and in the npm package (contract, storage §7.4).
const tempMark = ".tmp-"

func isTemp(name string) bool { return strings.Contains(name, tempMark) }
