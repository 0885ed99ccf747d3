//go:build unix

package providers

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestAnInterruptedBuildLeavesNothing: no folder of the build, and next to the output only the files that were there.
func TestAnInterruptedBuildLeavesNothing(t *testing.T) {
	tools, temporary, dir := t.TempDir(), t.TempDir(), t.TempDir()
	started := filepath.Join(tools, "started")
	const tool = "#!/bin/sh\ntrap 'exit 1' INT\n: > \"$(dirname \"$0\")/started\"\nwhile :; do sleep 0.1; done\n"
	if err := os.WriteFile(filepath.Join(tools, "go"), []byte(tool), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(dir, "or3-cloud.new")
	if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temporary)
	t.Setenv("PATH", tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	b := command(fake("sqlite"))
	b.Environ, b.Version, b.output = os.Environ(), "v1.2.3", filepath.Join(dir, "or3-cloud")
	ended := make(chan error, 1)
	go func() { ended <- b.run(ctx) }()
	if !patience.Try(func() bool { _, err := os.Stat(started); return err == nil }) {
		t.Fatal("nothing is built")
	}
	interrupt()
	if err := patience.Receive(t, "the end of the build", ended); err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Error(err)
	}
	for dir, want := range map[string]int{temporary: 0, dir: 1} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != want {
			t.Errorf("left in %s: %v, %v", dir, entries, err)
		}
	}
	if text, err := os.ReadFile(mine); err != nil || string(text) != "mine" {
		t.Errorf("%s %v", text, err)
	}
}
