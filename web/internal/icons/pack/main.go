// Command pack puts the icons of the npm packages @iconify-json/* into files that the program embeds: pack FROM TO.
// With -check it only compares, and by what the files unpack to, because the same compressor may do better one day.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/andybalholm/brotli"
)

// collections are what the client uses, with the licences that they had when their texts were copied to licenses/.
var collections = map[string]string{
	"carbon": "Apache-2.0", "heroicons": "MIT", "lucide": "ISC", "pixelarticons": "MIT", "simple-icons": "CC0-1.0", "tabler": "MIT",
}

func main() {
	check := flag.Bool("check", false, "compare, and write nothing")
	flag.Parse()
	if err := run(flag.Arg(0), flag.Arg(1), *check); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func run(from, to string, check bool) error {
	for name, license := range collections {
		text, err := collection(filepath.Join(from, name), license)
		if err != nil {
			return err
		}
		file := filepath.Join(to, name+".json.br")
		if check {
			if err := compare(file, text); err != nil {
				return err
			}
			continue
		}
		if compare(file, text) == nil {
			continue
		}
		if err := write(file, text); err != nil {
			return err
		}
	}
	return strangers(to)
}

// collection returns the icons of a package in the form that does not depend on how they were written, with one final
// order.
func collection(dir, license string) ([]byte, error) {
	var info struct {
		License struct {
			SPDX string `json:"spdx"`
		} `json:"license"`
	}
	var icons map[string]any
	for name, into := range map[string]any{"info.json": &info, "icons.json": &icons} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, name), err)
		}
	}
	if info.License.SPDX != license {
		return nil, fmt.Errorf("%s is under %s, and no longer under %s: read the licence, put its text into licenses/, and say so here", dir, info.License.SPDX, license)
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text) // writes objects by name
	e.SetEscapeHTML(false)
	err := e.Encode(icons)
	return text.Bytes(), err
}

func compare(file string, text []byte) error {
	packed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	unpacked, err := io.ReadAll(brotli.NewReader(bytes.NewReader(packed)))
	if err != nil || !bytes.Equal(unpacked, text) {
		return fmt.Errorf("%s is not what its package has; run scripts/icons and commit the result", file)
	}
	return nil
}

func write(file string, text []byte) error {
	var packed bytes.Buffer
	w := brotli.NewWriterOptions(&packed, brotli.WriterOptions{Quality: brotli.BestCompression, LGWin: 24})
	_, err := w.Write(text)
	if err = errors.Join(err, w.Close()); err != nil {
		return err
	}
	return os.WriteFile(file, packed.Bytes(), 0o644)
}

// strangers complains of what no package stands for any more.
func strangers(dir string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _, _ := bytes.Cut([]byte(entry.Name()), []byte("."))
		if _, known := collections[string(name)]; !known {
			return fmt.Errorf("%s belongs to no collection; remove it", path)
		}
		return nil
	})
}
