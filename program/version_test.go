package program

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestTheVersionOfABuild(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	vcs := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: at.Format(time.RFC3339)}, {Key: "vcs.modified", Value: "true"},
	}
	tail := runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\n"
	for name, tc := range map[string]struct {
		given, recorded string
		foreign         []*debug.Module // that the main module of another program demands
		settings        []debug.BuildSetting
		version, line   string
	}{
		"go install of a release": {"", "v1.2.3", nil, nil, "v1.2.3", "or3-cloud v1.2.3 (" + tail},
		"a work tree": {"", "v1.2.4-0.20261128090000-0123456789ab+dirty", nil, vcs, "v1.2.4-0.20261128090000-0123456789ab+dirty",
			"or3-cloud v1.2.4-0.20261128090000-0123456789ab+dirty (commit 0123456789ab with changes, " + tail},
		"make dist":        {"v2.0.0", "v0.0.0-20261128090000-0123456789ab", nil, vcs, "v2.0.0", "or3-cloud v2.0.0 (commit 0123456789ab with changes, " + tail},
		"nothing is known": {"", "(devel)", nil, nil, "devel", "or3-cloud devel (" + tail},
		"another program": {"", "v7.0.0", []*debug.Module{{Path: "example.org/x", Version: "v8.0.0"}, {Path: "or3.chat/cloud", Version: "v1.2.3"}}, vcs, "v1.2.3",
			"or3-cloud v1.2.3 (" + tail},
		"another program beside sources": {"", "v7.0.0", []*debug.Module{{Path: "or3.chat/cloud", Version: "v1.2.3", Replace: &debug.Module{Path: "../cloud"}}}, nil,
			"devel", "or3-cloud devel (" + tail},
	} {
		t.Run(name, func(t *testing.T) {
			v := describe(tc.given, &debug.BuildInfo{Main: debug.Module{Version: tc.recorded}, Deps: tc.foreign, Settings: tc.settings})
			var line strings.Builder
			if err := v.print(&line); err != nil {
				t.Fatal(err)
			}
			if v.Version != tc.version || line.String() != tc.line {
				t.Errorf("%q: %q", v.Version, line.String())
			}
			if (v.CommitTime != nil) != (tc.settings != nil && tc.foreign == nil) || v.CommitTime != nil && !v.CommitTime.Equal(at) {
				t.Errorf("the commit is of %v", v.CommitTime)
			}
		})
	}
}

// TestDistCarriesTheVersion runs the build command of "make dist" for a small program, and asks the program.
func TestDistCarriesTheVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a binary")
	}
	dist := t.TempDir()
	build := exec.Command("make", "-C", "..", "dist", "DIST="+dist, "TAGS=noproviders,noweb", "VERSION=v9.8.7",
		"SYSTEMS="+runtime.GOOS+"/"+runtime.GOARCH)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	built, err := filepath.Glob(filepath.Join(dist, "or3-cloud-*"))
	if err != nil || len(built) != 1 {
		t.Fatalf("%v was built: %v", built, err)
	}
	out, err := exec.Command(built[0], "version", "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var got versionInfo
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Name != programName || got.Version != "v9.8.7" || got.Platform != runtime.GOOS+"/"+runtime.GOARCH || got.Go != runtime.Version() {
		t.Errorf("%+v", got)
	}
}
