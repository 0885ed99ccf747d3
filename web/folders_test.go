//go:build !noweb

package web

import (
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"or3.chat/cloud/httpapi"
)

// TestLargeFilesAreNotTakenIntoMemory, whatever they are called and however many ask for them at once.
func TestLargeFilesAreNotTakenIntoMemory(t *testing.T) {
	dir := client(t, build("one"))
	large := filepath.Join(dir, "report.html")
	if err := os.WriteFile(large, []byte("<script>report()</script>"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, 256<<20); err != nil {
		t.Fatal(err)
	}
	h := serve(t, inCloud(t, dir))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			r := httptest.NewRequest("HEAD", "/report.html", nil)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			policy := w.Header().Get("Content-Security-Policy")
			if w.Code != http.StatusOK || policy == "" || strings.Contains(policy, "sha256-") {
				t.Errorf("%d %v", w.Code, w.Header())
			}
		})
	}
	all.Wait()
	runtime.ReadMemStats(&after)
	if took := (after.TotalAlloc - before.TotalAlloc) >> 20; took > 64 {
		t.Errorf("%d MiB were taken for a file of 256 MiB", took)
	}
	if err := os.Rename(large, filepath.Join(dir, "200.html")); err != nil {
		t.Fatal(err)
	}
	if _, err := New(inCloud(t, dir)); err == nil || !strings.Contains(err.Error(), "more than 16 MiB") {
		t.Errorf("as the start page: %v", err)
	}
}

// TestPagesOfTheSameSizeAndTime are other ones all the same: builds that can be reproduced give all their files one
// time.
func TestPagesOfTheSameSizeAndTime(t *testing.T) {
	dir := client(t, build("one"))
	put := func(name, content string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path+".new", []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path+".new", time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	put("200.html", nuxtPage("one", "{}"))
	put("beside.html", "<script>one()</script>")
	h := serve(t, inCloud(t, dir))
	policy := get(h, "/beside.html", true).Header.Get("Content-Security-Policy")
	put("200.html", nuxtPage("two", "{}"))
	put("beside.html", "<script>two()</script>")
	if page := text(t, h, "/", true); !strings.Contains(page, `buildId:"two"`) {
		t.Errorf("the page of the release before: %s", page)
	}
	if got := get(h, "/beside.html", true).Header.Get("Content-Security-Policy"); got == policy {
		t.Errorf("another page has the policy of the one before: %s", got)
	}
}

// TestADirectoryThatIsRefusedIsNotReadAgainForEveryRequest, and is as soon as something is put into it.
func TestADirectoryThatIsRefusedIsNotReadAgainForEveryRequest(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "current")
	if err := os.Rename(client(t, build("one")), path); err != nil {
		t.Fatal(err)
	}
	h := serve(t, inCloud(t, path))
	if err := os.Rename(path, filepath.Join(base, "one")); err != nil {
		t.Fatal(err)
	}
	refused := client(t, with(build("two"), map[string]string{"200.html": strings.ReplaceAll(nuxtPage("two", "{}"), `baseURL:"/"`, `baseURL:"/other/"`)}))
	if err := os.Rename(refused, path); err != nil {
		t.Fatal(err)
	}
	if page := text(t, h, "/", true); !strings.Contains(page, `buildId:"one"`) {
		t.Errorf("what was there before is not served on: %s", page)
	}
	d := h.(contact).client
	at := d.refused.at
	for range 100 {
		get(h, "/", true)
	}
	if looked := d.refused.at; looked.Sub(at) != 0 && looked.Sub(at) < again {
		t.Errorf("it was looked at again after %v", looked.Sub(at))
	}
	if err := os.WriteFile(filepath.Join(path, "next"), []byte(nuxtPage("two", "{}")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(path, "next"), filepath.Join(path, "200.html")); err != nil {
		t.Fatal(err)
	}
	if page := text(t, h, "/", true); !strings.Contains(page, `buildId:"two"`) {
		t.Errorf("it is not looked at after a change: %s", page)
	}
}

// TestAClientThatIsCopiedIntoItsPlace while the server runs, its page first, is looked at until it is complete.
func TestAClientThatIsCopiedIntoItsPlace(t *testing.T) {
	dir := client(t, map[string]string{"200.html": nuxtPage("one", "{}"), "_nuxt/builds/latest.json": "{}"})
	o := inCloud(t, dir)
	o.SignedIn = func(*http.Request) bool { return false }
	h := serve(t, o)
	if res := get(h, "/", true); res.StatusCode != http.StatusFound {
		t.Errorf("without a UI for accounts: %d", res.StatusCode)
	}
	if err := os.WriteFile(filepath.Join(dir, "_nuxt", "one.js"), []byte(`fetch("/api/basic-auth/sign-in");WebAssembly.compile(x)`), 0o644); err != nil {
		t.Fatal(err)
	}
	res := get(h, "/", true)
	if policy := res.Header.Get("Content-Security-Policy"); res.StatusCode != http.StatusOK || !strings.Contains(policy, "'wasm-unsafe-eval'") {
		t.Errorf("when it has come: %d %s", res.StatusCode, policy)
	}
}

// TestScriptsBehindALink are those of the client, too, where a deployment keeps them elsewhere in the folder.
func TestScriptsBehindALink(t *testing.T) {
	dir := client(t, build("one"))
	if err := os.Rename(filepath.Join(dir, "_nuxt"), filepath.Join(dir, "assets")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("assets", filepath.Join(dir, "_nuxt")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	found, err := Inspect(inCloud(t, dir))
	if err != nil || !found.AccountUI {
		t.Errorf("%+v %v", found, err)
	}
}

// TestWhatCannotBeReadIsNamed, where the log or the refusal says it, by its whole path.
func TestWhatCannotBeReadIsNamed(t *testing.T) {
	dir := client(t, build("one"))
	h := serve(t, inCloud(t, dir))
	rec := &httpapi.Record{}
	w, r := httpapi.WithRecord(httptest.NewRecorder(), httptest.NewRequest("GET", "/robots.txt", nil), rec)
	d := h.(contact).client.served.Load().now
	d.static.folder = newCache().Folder(unreadable{d.files})
	h.ServeHTTP(w, r)
	if rec.Status != http.StatusInternalServerError || rec.Err == nil || !strings.Contains(rec.Err.Error(), "robots.txt") {
		t.Errorf("%d, %v", rec.Status, rec.Err)
	}
	page := filepath.Join(dir, "200.html")
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "200.html")
	if err := os.WriteFile(outside, []byte(nuxtPage("one", "{}")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, page); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	_, err := New(inCloud(t, dir))
	var file *fs.PathError
	if !errors.As(err, &file) || file.Path != page {
		t.Errorf("a page behind a link that leads out: %v", err)
	}
}

// unreadable are files that cannot be opened.
type unreadable struct{ fs.FS }

func (u unreadable) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
}

// TestPagesThatLeadElsewhere are not the client's, but those that lead to its routes are.
func TestPagesThatLeadElsewhere(t *testing.T) {
	const refresh = `<meta http-equiv="refresh" content="0; url=`
	elsewhere := refresh + `https://docs.example.org/">`
	h := serve(t, inCloud(t, client(t, with(build("one"), map[string]string{
		"help.html": elsewhere, "old.html": refresh + `/chat">`, "secure.html": refresh + `https://localhost/chat">`,
	}))))
	if got := text(t, h, "/help.html", true); got != elsewhere {
		t.Errorf("a page that leads elsewhere is %s", got)
	}
	page := text(t, h, "/", true)
	for _, path := range []string{"/old.html", "/secure.html", "/admin"} {
		if got := text(t, h, path, true); got != page {
			t.Errorf("%s is %s", path, got)
		}
	}
}
