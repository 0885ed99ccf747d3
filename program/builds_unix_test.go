//go:build unix

package program_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// buildsVariable enables TestBuilds, which links the program six times; only "scripts/matrix builds" has time for that.
const buildsVariable = "OR3_TEST_BUILDS"

// traces are patterns of log lines about a provider.
var traces = map[string]*regexp.Regexp{
	"basic-auth": regexp.MustCompile(`(?i)\bbasic-?auth\b|OR3_BASIC_AUTH_`),
	"sqlite":     regexp.MustCompile(`(?i)sqlite`),
	"fs":         regexp.MustCompile(`\bfs\b|OR3_STORAGE_FS_`),
	"household":  regexp.MustCompile(`(?i)household`),
	"clerk":      regexp.MustCompile(`(?i)clerk`),
	"convex":     regexp.MustCompile(`(?i)convex`),
	"postgres":   regexp.MustCompile(`(?i)postgres`),
	"s3":         regexp.MustCompile(`(?i)\bs3\b`),
}

// advice is what the line about a missing provider says about possible replacements.
var advice = regexp.MustCompile(`to a provider that is compiled in \([^)]*\)`)

// TestBuilds builds the program with or3-cloud build: without providers, with those of this module, without each of
// them, and with the example of another module. Each reports what it has, serves what is selected and nothing else, and
// its log has no line about a provider that is not (requirement 6.2).
//
//walk:follows operations.md or3-cloud build --without basic-auth --with example.org/mycloud/household=../mycloud
func TestBuilds(t *testing.T) {
	if os.Getenv(buildsVariable) == "" {
		t.Skip("links the program six times; scripts/matrix builds runs it")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sources, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	base := filepath.Join(top, "or3-cloud")
	if err := os.Symlink(self, base); err != nil { // TestMain decides by the name
		t.Fatal(err)
	}
	household := "example.org/mycloud/household=" + example
	off := []string{"SSR_AUTH_ENABLED=false"}
	withoutFiles, withoutSync := []string{"OR3_STORAGE_ENABLED=false"}, []string{"OR3_SYNC_ENABLED=false"}
	legacy := []string{"AUTH_PROVIDER=clerk", "OR3_SYNC_PROVIDER=convex", "NUXT_PUBLIC_STORAGE_PROVIDER=convex"} // missing, so that nothing is served
	key := []string{"AUTH_PROVIDER=household", "HOUSEHOLD_KEY=a key that the whole household knows"}
	// A boot is a configuration to start a program with, and the domains of endpoints that it then has.
	type boot struct {
		environ []string
		serves  string
	}
	for _, c := range []struct {
		name  string
		args  []string
		has   []string
		boots []boot
	}{
		{"none", []string{"--without", "basic-auth", "--without", "sqlite", "--without", "fs"}, nil, []boot{{nil, ""}, {off, ""}, {legacy, ""}}},
		{
			"trio", nil, []string{"basic-auth", "fs", "sqlite"},
			[]boot{
				{nil, "auth storage sync"}, {withoutFiles, "auth sync"}, {withoutSync, "auth storage"},
				{slices.Concat(withoutFiles, withoutSync), "auth"}, {off, ""}, {legacy, ""},
			},
		},
		{"without basic-auth", []string{"--without", "basic-auth"}, []string{"fs", "sqlite"}, []boot{{nil, ""}, {off, ""}}},
		{"without sqlite", []string{"--without", "sqlite"}, []string{"basic-auth", "fs"}, []boot{{nil, ""}, {off, ""}}},
		{
			"without fs", []string{"--without", "fs"}, []string{"basic-auth", "sqlite"},
			[]boot{{nil, "auth sync"}, {withoutFiles, "auth sync"}, {slices.Concat(withoutFiles, withoutSync), "auth"}, {off, ""}},
		},
		{
			"with the example", []string{"--without", "basic-auth", "--with", household}, []string{"fs", "household", "sqlite"},
			[]boot{{key, "auth storage sync"}, {slices.Concat(withoutFiles, key), "auth sync"}, {off, ""}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			program := filepath.Join(t.TempDir(), "or3-cloud-custom")
			build := exec.Command(base, append([]string{"build", "--sources", sources, "--output", program}, c.args...)...)
			build.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off")
			out, err := build.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, id := range c.has {
				if !strings.Contains(string(out), "with "+id+" from ") {
					t.Errorf("what was built does not say that it has %s:\n%s", id, out)
				}
			}
			for _, b := range c.boots {
				environ := b.environ
				has, selected := providersOf(t, program, environ)
				if !slices.Equal(has, c.has) {
					t.Errorf("%v: has %v, want %v", environ, has, c.has)
				}
				log, serves := start(t, program, environ)
				if serves != b.serves {
					t.Errorf("%v: serves %q, want %q", environ, serves, b.serves)
				}
				log = advice.ReplaceAllString(log, "")
				for id, trace := range traces {
					for line := range strings.Lines(log) {
						if !slices.Contains(selected, id) && trace.MatchString(line) {
							t.Errorf("%v: %s is not selected, and the log says: %s", environ, id, line)
						}
					}
				}
			}
		})
	}
}

// providersOf asks a program for its providers.
func providersOf(t *testing.T, program string, environ []string) (has, selected []string) {
	t.Helper()
	cmd := exec.Command(program, "providers", "--json")
	cmd.Dir, cmd.Env = t.TempDir(), environ
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []struct {
		ID         string
		CompiledIn bool
		Selected   []string
	}
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.CompiledIn {
			has = append(has, p.ID)
		}
		if len(p.Selected) > 0 {
			selected = append(selected, p.ID)
		}
	}
	return has, selected
}

// domains have one endpoint of each domain that depends on a provider.
var domains = []struct{ name, method, path string }{
	{"auth", http.MethodGet, "/api/auth/session"},
	{"storage", http.MethodPost, "/api/storage/presign-upload"},
	{"sync", http.MethodPost, "/api/sync/pull"},
}

// start starts a program, waits until every route is served, stops it, and returns its output and the domains that it
// served.
func start(t *testing.T, program string, environ []string) (log, serves string) {
	t.Helper()
	dir := t.TempDir()
	socket := filepath.Join(dir, "s")
	server := exec.Command(program, "serve", "--addr", "unix:"+socket, "--data", filepath.Join(dir, "d"))
	server.Dir, server.Env = dir, append([]string{"OR3_LOG_FORMAT=text", "OR3_LOG_LEVEL=debug"}, environ...)
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	t.Cleanup(func() { _ = server.Process.Kill() })
	ready := patience.Try(func() bool {
		select {
		case err := <-ended:
			t.Fatalf("%v: the server ended: %v\n%s", environ, err, &said)
		default:
		}
		status, _, err := patience.Request(socket, http.MethodGet, "/api/health/ready")
		return err == nil && status == http.StatusOK
	})
	var served []string
	for _, d := range domains {
		status, _, err := patience.Request(socket, d.method, d.path)
		if err != nil {
			t.Errorf("%v: %s: %v", environ, d.path, err)
		}
		if status != http.StatusNotFound {
			served = append(served, d.name)
		}
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := patience.Receive(t, "the end of the server", ended); err != nil || !ready {
		t.Fatalf("%v: ready %v, %v\n%s", environ, ready, err, &said)
	}
	// The path of the directory contains the name of the test.
	return strings.ReplaceAll(said.String(), dir, "DIR"), strings.Join(served, " ")
}
