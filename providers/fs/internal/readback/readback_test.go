package readback

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/health"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/traffic"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// TestScrubGoesOnWhereItWas interrupts a pass after each file.
func TestScrubGoesOnWhereItWas(t *testing.T) {
	const blobs = 7
	dir := t.TempDir()
	for i := range blobs {
		writeBlob(t, dir, "ws", strings.Repeat("x", 100+i))
	}
	r := openRig(t, dir)
	read := map[string]int{}
	for range blobs {
		ctx, cancel := context.WithCancel(t.Context())
		after, _ := r.begin()
		err := r.reader.walk(ctx, "", after, func(c copyOf) error {
			read[c.position()]++
			size, err := r.one(ctx, c, atOnce)
			r.health.Advance(c.position(), size)
			cancel()
			return err
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := r.health.Save(); err != nil {
			t.Fatal(err)
		}
		r = openRig(t, dir)
		if err := r.health.Load(); err != nil {
			t.Fatal(err)
		}
	}
	if state := r.IntegrityState(); state.State != "running" || state.CheckedFiles != blobs {
		t.Errorf("%+v", state)
	}
	if err := r.Pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state := r.IntegrityState(); state.LastPassFiles != blobs {
		t.Errorf("%+v", state)
	}
	for name, times := range read {
		if times != 1 {
			t.Errorf("%s was read %d times", name, times)
		}
	}
	if len(read) != blobs {
		t.Errorf("%d of %d were read", len(read), blobs)
	}
}

func TestWalkIsInOrderAndStaysInItsWorkspace(t *testing.T) {
	dir := t.TempDir()
	for _, w := range []string{"a", "a-b", "a_b", "B"} {
		for _, content := range []string{"1", "2", "3"} {
			writeBlob(t, dir, w, content)
		}
		writeFile(t, dir, "workspaces/"+w+"/foreign", "x")
	}
	writeFile(t, dir, "workspaces/not a workspace/x", "x")
	r := openRig(t, dir)
	var all []string
	visit := func(c copyOf) error {
		all = append(all, c.position())
		return nil
	}
	if err := r.reader.walk(t.Context(), "", "", visit); err != nil || len(all) != 12 {
		t.Fatalf("%d visited, %v", len(all), err)
	}
	whole := all
	for i, position := range whole {
		all = nil
		if err := r.reader.walk(t.Context(), "", position, visit); err != nil || strings.Join(all, "\n") != strings.Join(whole[i+1:], "\n") {
			t.Errorf("after %s: %v, %v", position, all, err)
		}
	}
	all = nil
	if err := r.reader.walk(t.Context(), "a-b", "", visit); err != nil || len(all) != 3 || !strings.Contains(all[0], "/a-b/") {
		t.Errorf("%v, %v", all, err)
	}
}

// atOnce is the pace of a test that does not wait.
func atOnce(ctx context.Context, _ int) error { return ctx.Err() }

// rig is a Scrub on a directory.
type rig struct{ *Scrub }

// openRig opens a directory, as after a crash.
func openRig(t *testing.T, dir string) rig {
	t.Helper()
	disk, err := volume.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { disk.Close() })
	log, known := slog.New(slog.DiscardHandler), health.New(disk, rand.Reader)
	stored := copies.New(copies.Options{
		Disk: disk, Doomed: copies.NewDoomed(nil), Temps: copies.NewTemps(disk, rand.Reader), Health: known, Now: time.Now, Rand: rand.Reader, Log: log,
	})
	reader := New(Options{Disk: disk, Copies: stored, Log: log})
	return rig{NewScrub(ScrubOptions{Reader: reader, Health: known, Traffic: &traffic.Traffic{}, Now: time.Now, Log: log})}
}

// writeBlob puts a blob into a store, as the npm package left them.
func writeBlob(t *testing.T, dir, workspace, content string) {
	t.Helper()
	sum := sha256.Sum256([]byte(content))
	k := layout.Key{Workspace: workspace, Hash: or3cloud.BlobHash("sha256:" + hex.EncodeToString(sum[:]))}
	writeFile(t, dir, k.Live(""), content)
}

func writeFile(t *testing.T, dir, name, content string) {
	t.Helper()
	full := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
