// Package e2e tests the program from outside: it builds the real binary, runs it as a process and talks to it over HTTP
// as the OR3 Chat client does. Nothing in here knows how the server works inside, with two exceptions that play the
// operator: rows are counted, and databases checked, in the files of a stopped server.
package e2e

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// buildDir holds the binaries of this run.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "or3-cloud-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		buildDir = dir
		return m.Run()
	}())
}

// The builds. Each is made when the first test needs it.
var (
	buildServer    = sync.OnceValues(func() (string, error) { return build("server", raceEnabled) })
	buildPlain     = sync.OnceValues(func() (string, error) { return build("plain", false) })
	buildOTLP      = sync.OnceValues(func() (string, error) { return build("otlp", false, "-trimpath", "-tags", "otlp") })
	buildProviders = sync.OnceValues(func() (string, error) { return build("noproviders", false, "-tags", "noproviders") })
)

// build compiles the program and returns the path of the binary.
func build(name string, race bool, flags ...string) (string, error) {
	path := filepath.Join(buildDir, name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	args := []string{"build", "-o", path}
	if race { // as scripts/test builds the tests, and for the same reasons
		args = append(args, "-race",
			"-gcflags=golang.org/x/crypto/...=-race=false", "-gcflags=github.com/ncruces/go-sqlite3-wasm/...=-race=false")
	}
	args = append(append(args, flags...), "or3.chat/cloud/cmd/or3-cloud")
	if err := dependOnSources(); err != nil {
		return "", err
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %v: %w\n%s", args, err, out)
	}
	return path, nil
}

// dependOnSources looks at every file of the module. The go command caches the results of tests and forgets them when
// a file that the test has looked at changes; it cannot know what goes into a binary that the test builds.
func dependOnSources() error {
	return filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() && strings.HasPrefix(e.Name(), ".") && path != ".." {
			return cmp.Or(err, fs.SkipDir)
		}
		_, err = os.Stat(path)
		return err
	})
}

// binary returns the result of a build.
func binary(t testing.TB, build func() (string, error)) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
