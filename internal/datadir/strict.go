package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
	"or3.chat/cloud/setting"
)

// Check returns what strict mode refuses about the directory at an absolute path: one that does not exist, because that
// is more often an unmounted volume than a first start, and one that another machine serves. It changes nothing.
func Check(path string) []or3cloud.Problem { return check(path, diskspace.Measure) }

func check(path string, measure func(string) (diskspace.Usage, error)) []or3cloud.Problem {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return []or3cloud.Problem{{
			Variable: setting.DataDir,
			Fault:    fmt.Sprintf("%s does not exist, and strict mode creates no data directory: a volume may not be mounted", path),
			Fix:      "mount the volume; for a first start run, as the user of the server: mkdir -m 700 -p " + path,
		}}
	}
	if u, err := measure(path); err == nil && u.Network != "" {
		return []or3cloud.Problem{{
			Variable: setting.DataDir,
			Fault:    fmt.Sprintf("%s is on a network file system (%s), on which locks and fsync cannot be relied on: a database there can be damaged", path, u.Network),
			Fix:      "name a directory on a disk of this machine",
		}}
	}
	return nil
}

// Network returns the type of the network file system that a path is on. It is empty if the file system is local or
// unknown, or if the path does not exist.
func Network(path string) string {
	u, err := diskspace.Measure(path)
	if err != nil {
		return ""
	}
	return u.Network
}
