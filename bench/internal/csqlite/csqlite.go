// Package csqlite writes ops with SQLite's C library alone, into the layout of November 2026: what a server could reach
// that kept that layout. The program is compiled for each run.
package csqlite

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

var (
	//go:embed program/writer.c
	source []byte
	//go:embed program/schema.sql
	schema []byte
)

// Build compiles the program in a directory, with the compiler of the machine and the library of the distribution, and
// returns its path. root is the directory of the product's module.
func Build(ctx context.Context, root, dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	program, code := filepath.Join(dir, "writer"), filepath.Join(dir, "writer.c")
	if err := errors.Join(os.WriteFile(code, source, 0o600), os.WriteFile(filepath.Join(dir, "schema.sql"), schema, 0o600)); err != nil {
		return "", err
	}
	output := func(name string, args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, name, args...).Output()
		if err != nil {
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				err = fmt.Errorf("%w: %s", err, exit.Stderr)
			}
			return "", fmt.Errorf("%s: %w", strings.Join(append([]string{name}, args...), " "), err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	arch, err := output("gcc", "-print-multiarch")
	if err != nil {
		return "", err
	}
	debian := filepath.Join(root, "scripts/debian")
	header, err := output(debian, "libsqlite3-dev", "usr/include/sqlite3.h")
	if err != nil {
		return "", err
	}
	library, err := output(debian, "libsqlite3-dev", "usr/lib/"+arch+"/libsqlite3.a")
	if err != nil {
		return "", err
	}
	_, err = output("gcc", "-O2", "-I", filepath.Dir(header), "-o", program, code, library, "-lm", "-lpthread")
	return program, err
}

// Writer writes ops in transactions of a size.
type Writer struct {
	measure.Work // of ops

	server *process.Server
	in     io.WriteCloser
	out    *bufio.Reader
	source *corpus.Source
	// size is how many ops are a transaction, batch how many of them a push.
	size, batch int
}

// Start starts a program with a database of its own beside it.
func Start(program string, source *corpus.Source, size, batch int) (*Writer, error) {
	dir := filepath.Dir(program)
	cmd := exec.Command(program, filepath.Join(dir, fmt.Sprintf("%d.sqlite", size)), filepath.Join(dir, "schema.sql"))
	cmd.Stderr = os.Stderr
	w := &Writer{source: source, size: size, batch: batch, server: &process.Server{Cmd: cmd}}
	var err error
	if w.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = bufio.NewReader(out)
	return w, cmd.Start()
}

// Stop ends the program.
func (w *Writer) Stop() error { return errors.Join(w.in.Close(), w.server.Cmd.Wait()) }

// Step writes ops.
func (w *Writer) Step(ops int) measure.Step {
	return measure.Step{
		Prepare: func() error {
			input, err := encode(w.source, ops, w.size, w.batch)
			if err != nil {
				return err
			}
			if _, err := w.in.Write(input); err != nil {
				return err
			}
			return w.await("ready")
		},
		Run: func() error {
			return w.Do(w.server, 1, 1, ops, func(int, int) error {
				if _, err := w.in.Write([]byte{'\n'}); err != nil {
					return err
				}
				return w.await("done")
			})
		},
	}
}

func (w *Writer) await(word string) error {
	got, err := w.out.ReadString('\n')
	if err == nil && strings.TrimSpace(got) != word {
		err = fmt.Errorf("it says %q instead of %q", got, word)
	}
	if err != nil {
		return fmt.Errorf("SQLite in C: %w", err)
	}
	return nil
}
