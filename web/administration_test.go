//go:build !noweb

package web

import (
	"cmp"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

// TestThePagesForAdministrators: they are at /or3/admin whatever client there is, and without one at
// OR3_ADMIN_BASE_PATH as well.
func TestThePagesForAdministrators(t *testing.T) {
	const mark = "<title>Administration"
	dir := client(t, map[string]string{"index.html": "start", "200.html": "the client"})
	for _, tc := range []struct {
		dir, path string
		status    int
		location  string
		body      string
	}{
		{"", "/or3/admin", http.StatusMovedPermanently, "/or3/admin/", ""},
		{"", "/or3/admin/", http.StatusOK, "", mark},
		{"", "/or3/admin/users/old", http.StatusFound, "/or3/admin/", ""},
		{"", "/admin", http.StatusMovedPermanently, "/admin/", ""},
		{"", "/admin/", http.StatusOK, "", mark},
		{"", "/", http.StatusOK, "", "<title>OR3 Cloud"},
		{dir, "/or3/admin", http.StatusMovedPermanently, "/or3/admin/", ""},
		{dir, "/or3/admin/", http.StatusOK, "", mark},
		{dir, "/admin/workspaces", http.StatusOK, "", "the client"},
	} {
		res := get(handler(t, tc.dir), tc.path, true)
		if got := body(t, res); res.StatusCode != tc.status || res.Header.Get("Location") != tc.location || !strings.Contains(got, tc.body) {
			t.Errorf("%q %s: %d, to %q, %.80q", tc.dir, tc.path, res.StatusCode, res.Header.Get("Location"), got)
		} else if tc.body == mark && res.Header.Get("Content-Security-Policy") != pagePolicy {
			t.Errorf("%s has another policy: %q", tc.path, res.Header.Get("Content-Security-Policy"))
		}
	}
	if res := get(handler(t, ""), "/or3/admin/assets/none.js", false); res.StatusCode != http.StatusNotFound {
		t.Errorf("a file that is not there: %d", res.StatusCode)
	}
}

func TestThePagesKnowWhetherThereIsASuperAdministrator(t *testing.T) {
	for environ, want := range map[string]bool{"": false, "keeper": true} {
		o := inCloud(t, "", setting.AdminUsername+"="+environ, setting.AdminPassword+"=Correct horse 1")
		if environ == "" {
			o = inCloud(t, "")
		}
		h, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(body(t, get(h, "/or3/admin/", true)), `data-super-admin="on"`); got != want {
			t.Errorf("%q: %v", environ, got)
		}
	}
}

// TestThePagesAreWhole: Go leaves out files whose names begin with a dot or an underscore, and a page that lacks one
// stays empty.
func TestThePagesAreWhole(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "page/.vite" {
			return cmp.Or(err, fs.SkipDir)
		}
		if _, missing := fs.Stat(pageFiles, name); missing != nil {
			t.Error(missing)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
