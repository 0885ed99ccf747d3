package e2e

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reached is an address in a system call, as strace writes it.
var reached = regexp.MustCompile(`sin6?_port=htons\(\d+\).*?"([0-9a-f.:]+)"`)

// TestDefaultsReachNoOtherMachine watches the system calls of a server with default settings while it starts, is used
// and stops: none of them names an address of another machine, not even that of a name server.
func TestDefaultsReachNoOtherMachine(t *testing.T) {
	t.Parallel()
	strace := debianProgram(t, "strace")
	dir := t.TempDir()
	calls := filepath.Join(dir, "calls")
	watched := filepath.Join(dir, "watched")
	// The server keeps its pid: strace is its child. Commands of the operator are watched as well, with files of their
	// own.
	script := fmt.Sprintf("#!/bin/sh\nexec '%s' -D -f -qq -e signal=none -e trace=bind,connect,sendto,sendmsg,sendmmsg -o '%s'.$$ '%s' \"$@\"\n", strace, calls, binary(t, buildServer))
	if err := os.WriteFile(watched, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	srv := startServer(t, withBinary(watched))
	d := newDevice(t, srv, "A")
	workspace := d.register("ann@example.test").Workspace.ID
	d.push(workspace, newOp("kv_a", "a"))
	content := bytes.Repeat([]byte("file\n"), 1000)
	d.upload(workspace, content, "text/plain")
	d.pullAll(workspace, 0, 100, func(pulled) {})
	if code, report := srv.fsck(); code != 0 || !report.OK {
		t.Errorf("fsck: %d, %+v", code, report)
	}
	srv.stop()

	files, err := filepath.Glob(calls + ".*")
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for _, file := range files {
		of, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, of...)
	}
	if !strings.Contains(string(text), "bind(") {
		t.Fatalf("the server was not watched while it began to listen:\n%s", text)
	}
	for line := range strings.Lines(string(text)) {
		for _, m := range reached.FindAllStringSubmatch(line, -1) {
			if ip, err := netip.ParseAddr(m[1]); err != nil || !ip.Unmap().IsLoopback() {
				t.Errorf("another machine: %s", line)
			}
		}
	}
}
