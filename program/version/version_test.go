package version

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

func TestTheVersionOfABuild(t *testing.T) {
	at := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	vcs := []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.time", Value: at.Format(time.RFC3339)}, {Key: "vcs.modified", Value: "true"},
	}
	tail := runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH + ")\nproviders: none\n"
	for name, tc := range map[string]struct {
		given, recorded string
		foreign         []*debug.Module // that the main module of another program requires
		settings        []debug.BuildSetting
		version, line   string
	}{
		"go install of a release": {"", "v1.2.3", nil, nil, "v1.2.3", "or3-cloud v1.2.3 (" + tail},
		"a work tree": {"", "v1.2.4-0.20261128090000-0123456789ab+dirty", nil, vcs, "v1.2.4-0.20261128090000-0123456789ab+dirty",
			"or3-cloud v1.2.4-0.20261128090000-0123456789ab+dirty (commit 0123456789ab of 2026-11-28 with changes, " + tail},
		"make dist":        {"v2.0.0", "v0.0.0-20261128090000-0123456789ab", nil, vcs, "v2.0.0", "or3-cloud v2.0.0 (commit 0123456789ab of 2026-11-28 with changes, " + tail},
		"nothing is known": {"", "(devel)", nil, nil, "devel", "or3-cloud devel (" + tail},
		"another program": {"", "v7.0.0", []*debug.Module{{Path: "example.org/x", Version: "v8.0.0"}, {Path: "or3.chat/cloud", Version: "v1.2.3"}}, vcs, "v1.2.3",
			"or3-cloud v1.2.3 (" + tail},
		"another program beside sources": {"", "v7.0.0", []*debug.Module{{Path: "or3.chat/cloud", Version: "v1.2.3", Replace: &debug.Module{Path: "../cloud"}}}, nil,
			"devel", "or3-cloud devel (" + tail},
	} {
		t.Run(name, func(t *testing.T) {
			v := describe(tc.given, &debug.BuildInfo{Main: debug.Module{Version: tc.recorded}, Deps: tc.foreign, Settings: tc.settings})
			var line strings.Builder
			if err := v.Print(&line); err != nil {
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

func TestABuildSaysWhatIsCompiledIn(t *testing.T) {
	registry := &or3cloud.Registry{}
	for _, id := range []string{"sqlite", "fs"} {
		p := or3cloud.Provider{ID: id, Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) { return nil, nil }}
		if err := registry.Register(p); err != nil {
			t.Fatal(err)
		}
	}
	v := describe("v1.2.3", &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "-tags", Value: "noweb,extra"}}}).With(registry)
	var line strings.Builder
	if err := v.Print(&line); err != nil {
		t.Fatal(err)
	}
	if want := "\nproviders: fs, sqlite; build tags: noweb, extra\n"; !strings.HasSuffix(line.String(), want) {
		t.Errorf("%q does not end with %q", line.String(), want)
	}
}
