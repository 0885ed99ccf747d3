package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestReleases builds the program as "make dist" does, for systems that differ in what is compiled: 32-bit addresses,
// Windows, and a Unix that is not Linux. The one for linux/arm is tried in an emulator, since few machines run 32-bit
// programs: many kernels for amd64 leave out support for 386.
func TestReleases(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds three programs")
	}
	if err := dependOnSources(); err != nil {
		t.Fatal(err)
	}
	dist := t.TempDir()
	build := exec.Command("../scripts/dist", dist, "v9.8.7", "linux/arm", "windows/amd64", "freebsd/arm64")
	build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false '-gcflags=all=-N -l'") // without the optimizer it takes two thirds of the time
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	sources, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	var sums strings.Builder
	for _, file := range []struct{ name, magic string }{
		{"or3-cloud-linux-armv7", "\x7fELF\x01"}, {"or3-cloud-windows-amd64.exe", "MZ"}, {"or3-cloud-freebsd-arm64", "\x7fELF\x02"},
	} {
		program, err := os.ReadFile(filepath.Join(dist, file.name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(program, []byte(file.magic)) {
			t.Errorf("%s begins with %q", file.name, program[:8])
		}
		if bytes.Contains(program, []byte(sources)) {
			t.Errorf("%s knows where it was built, so that another directory makes another program", file.name)
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(program), file.name)
	}
	if got, err := os.ReadFile(filepath.Join(dist, "SHA256SUMS")); err != nil || string(got) != sums.String() {
		t.Errorf("SHA256SUMS: %v\n%swant\n%s", err, got, &sums)
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return
	}

	srv := startServer(t, withBinary(emulated(t, filepath.Join(dist, "or3-cloud-linux-armv7"))))
	if !strings.Contains(srv.logs.String(), "OR3 Cloud v9.8.7 serves ") {
		t.Error("the program does not say its version")
	}
	d := newDevice(t, srv, "A")
	workspace := d.register("ann@example.test").Workspace.ID
	// A payload of the largest size, and a row beside it: what a connection holds must fit into 32-bit addresses.
	large := newOp("kv_large", strings.Repeat("x", 3<<20))
	d.push(workspace, newOp("kv_a", "a"), large)
	content := bytes.Repeat([]byte("file\n"), 1<<20)
	d.upload(workspace, content, "text/plain")
	srv.kill()
	srv.start()
	seen := 0
	d.pullAll(workspace, 0, 100, func(p pulled) { seen += len(p.Changes) })
	if seen < 2 {
		t.Errorf("%d changes after a restart, pushed 2", seen)
	}
	if r := d.download(workspace, content); r.status != 200 || !bytes.Equal(r.body, content) {
		t.Errorf("the file: %d, %d bytes", r.status, len(r.body))
	}
	if code, report := srv.fsck(); code != 0 || !report.OK {
		t.Errorf("fsck: %d, %+v", code, report)
	}
}

// emulated returns a program that runs the one for linux/arm at the path.
func emulated(t *testing.T, program string) string {
	t.Helper()
	emulator := debianProgram(t, "qemu-arm-static")
	path := filepath.Join(t.TempDir(), "emulated")
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' \"$@\"\n", emulator, program)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}
