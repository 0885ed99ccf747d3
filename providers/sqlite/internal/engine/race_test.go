//go:build race

package engine

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// The race detector sees two goroutines on one connection although SQLite, whose memory it does not see, is not
// instrumented (scripts/test), and each has a statement of its own. What it detects fails the process, so this runs in
// another one.
func TestTwoGoroutinesOnAConnectionAreSeen(t *testing.T) {
	const child = "OR3_TEST_SHARE_A_CONNECTION"
	if os.Getenv(child) == "" {
		run := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
		run.Env = append(os.Environ(), child+"=1")
		if out, err := run.CombinedOutput(); err == nil || !strings.Contains(string(out), "DATA RACE") {
			t.Errorf("not seen: %v\n%s", err, out)
		}
		return
	}
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{"SELECT ?", "SELECT 1 + ?"} {
		st, _, err := conn.Prepare(text)
		if err != nil {
			t.Fatal(err)
		}
		used := make(chan error)
		// The statements follow each other by luck: only the order in which the goroutines start is known.
		go func() {
			_, err := One(st, func(*sqlite3.Stmt) {}, int64(1))
			used <- err
		}()
		defer func() {
			if err := <-used; err != nil {
				t.Error(err)
			}
		}()
	}
}
