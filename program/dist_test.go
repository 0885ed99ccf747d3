package program

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"or3.chat/cloud/program/version"
)

// TestDistCarriesTheVersion runs the build command of "make dist" for a small program, and asks that for its version.
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
	var got version.Info
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Name != version.Name || got.Version != "v9.8.7" || got.Platform != runtime.GOOS+"/"+runtime.GOARCH || got.Go != runtime.Version() {
		t.Errorf("%+v", got)
	}
	if len(got.Providers) > 0 || !slices.Equal(got.Tags, []string{"noproviders", "noweb"}) {
		t.Errorf("compiled in: %v with the tags %v", got.Providers, got.Tags)
	}
}
