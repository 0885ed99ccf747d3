package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is the path of the directory to set up.
type folder string

// maxRead limits the size of a file that may be changed.
const maxRead = 16 << 20

func (d folder) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

func (d folder) exists(name string) bool {
	_, err := os.Stat(d.path(name))
	return err == nil
}

// read returns the content of a file, or nil if there is none. It fails for anything that set-up could not restore: a
// pipe, a device, or a dangling link.
func (d folder) read(name string) ([]byte, error) {
	path := d.path(name)
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("%s is a link to what does not exist; make the file that it leads to, or remove it", path)
		}
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() && !info.IsDir(): // a directory causes an error of its own
		return nil, fmt.Errorf("%s is not a regular file (%s), and set-up replaces only regular files; move it away", path, info.Mode().Type())
	case lured(path, info):
		return nil, fmt.Errorf("%s is a link of another user to a file that is not theirs, which root would change for them; remove the link", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRead+1))
	if err == nil && len(text) > maxRead {
		err = fmt.Errorf("%s is too large: more than %d bytes", path, maxRead)
	}
	return append([]byte{}, text...), err
}

// HostOf returns the kind of host that a directory is for.
func HostOf(dir string) Host { return folder(dir).host() }

func (d folder) host() Host {
	switch {
	case slices.ContainsFunc(nuxtConfigs, d.exists), d.exists(nuxtJSON), d.exists(nuxtTS):
		return HostNuxt
	case d.exists(GoFile) && d.exists("go.mod"):
		return HostGo
	default:
		return HostProgram
	}
}

// nuxtConfigs are the files that identify a Nuxt host.
var nuxtConfigs = []string{"nuxt.config.ts", "nuxt.config.mts", "nuxt.config.js", "nuxt.config.mjs"}

// knowsJSON reports whether a Nuxt host reads the JSON: one that has the file, the code that uses it, or a
// configuration that names it. A host without any of these counts as new, unless it has only the TypeScript.
func (d folder) knowsJSON() bool {
	if slices.ContainsFunc([]string{nuxtJSON, "shared/config/application-plan.ts", "shared/cloud/provider-compatibility.ts"}, d.exists) {
		return true
	}
	for _, name := range nuxtConfigs {
		text, _ := d.read(name)
		switch {
		case bytes.Contains(text, []byte(nuxtJSON)):
			return true
		case bytes.Contains(text, []byte(strings.TrimSuffix(nuxtTS, ".ts"))):
			return false
		}
	}
	return !d.exists(nuxtTS)
}
