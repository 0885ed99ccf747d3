package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// debianPrograms finds programs of Debian's packages, by their names.
var debianPrograms = map[string]func() (string, error){
	"nginx":           fromDebian("nginx", "usr/sbin/nginx"),
	"caddy":           fromDebian("caddy", "usr/bin/caddy"),
	"prometheus":      fromDebian("prometheus", "usr/bin/prometheus"),
	"promtool":        fromDebian("prometheus", "usr/bin/promtool"),
	"strace":          fromDebian("strace", "usr/bin/strace"),
	"qemu-arm-static": fromDebian("qemu-user-static", "usr/bin/qemu-arm-static"),
}

func fromDebian(pkg, file string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		var stderr strings.Builder
		cmd := exec.Command("../scripts/debian", pkg, file)
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%v: %s", err, &stderr)
		}
		return strings.TrimSpace(string(out)), nil
	})
}

// debianProgram returns the path of a program. Without it the test is skipped, but not in the test command.
func debianProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := debianPrograms[name]()
	switch {
	case err == nil:
		return path
	case os.Getenv("DEBIAN_PROGRAMS") == "required": // by scripts/test
		t.Fatalf("no %s: %v", name, err)
	default:
		t.Skipf("no %s: %v", name, err)
	}
	return ""
}
