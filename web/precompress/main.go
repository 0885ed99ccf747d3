// Command precompress writes a compressed twin (name and ".gz") beside every file of a folder that gets smaller by it. It is the last step of
// the build of the built-in page: the output does not depend on the machine, so that a check can compare it.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: precompress FOLDER")
	}
	return filepath.WalkDir(args[0], func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || strings.HasSuffix(path, ".gz") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		twin, err := compress(data)
		if err != nil || len(twin) >= len(data) {
			return err
		}
		return os.WriteFile(path+".gz", twin, 0o644)
	})
}

// compress returns data in gzip format, without a time and without a name.
func compress(data []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
