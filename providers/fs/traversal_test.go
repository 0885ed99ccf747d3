package fs

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
)

// tricks are names that lead out of their directory on some system, in some encoding, after some normalisation.
var tricks = []string{
	"..", "../x", "../../etc/passwd", "./x", "/etc/passwd", "x/../y", "x/./y", "x//y", ".", "x/",
	`..\x`, `C:\x`, "C:x", `\\server\share`, "x:stream", "x::$DATA", "PROGRA~1",
	"%2e%2e", "%2e%2e%2fx", "..%2fx", "%252e%252e%252fx", "..%c0%afx", "%00", "x%00",
	"\x00", "x\x00y", "x\ny", "x\ry", "x\ty", "x\x1b[0m", "x\x7f",
	"․․/x", "‥", "…", "．．／x", "x∕y", "x⁄y", "ｗｓ", "wѕ", "ws\u200b", "\u202ews", "é", "e\u0301", "\xff\xfe", "\xc0\xae\xc0\xae",
	"CON", "con", "Nul", "aux", "PRN", "COM1", "com9", "LPT0", "lpt5", "ws.", "ws ", " ws", "ws...", "~", "~root", "$HOME", "*", "?", "",
	strings.Repeat("a", layout.MaxWorkspaceID+1), strings.Repeat("../", 50) + "etc/passwd",
}

// TestNamesThatLeadElsewhere puts each trick into every field that could become part of a path, at every entry point.
// It is refused as bad input, and nothing is created, changed or looked at.
func TestNamesThatLeadElsewhere(t *testing.T) {
	r := newRig(t)
	r.store("content")
	before := r.files()
	ctx := context.Background()
	for _, trick := range tricks {
		keys := map[string]layout.Key{"workspace": {Workspace: trick, Hash: hashOf("content")}}
		for _, form := range []string{trick, "sha256:" + trick, "md5:" + trick, string(hashOf("content")) + trick, trick + string(hashOf("content"))} {
			if trick != "" || form == "" || form == "sha256:" || form == "md5:" {
				keys["hash "+form] = layout.Key{Workspace: "ws", Hash: or3cloud.BlobHash(form)}
			}
		}
		for field, k := range keys {
			if _, err := r.PresignUpload(ctx, or3cloud.PresignUploadRequest{WorkspaceID: k.Workspace, UserID: "u", Hash: k.Hash}); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
				t.Errorf("%q as %s: presign upload: %v", trick, field, err)
			}
			if _, err := r.PresignDownload(ctx, or3cloud.PresignDownloadRequest{WorkspaceID: k.Workspace, UserID: "u", Hash: k.Hash}); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
				t.Errorf("%q as %s: presign download: %v", trick, field, err)
			}
			if _, err := r.Commit(ctx, or3cloud.CommitRequest{WorkspaceID: k.Workspace, Hash: k.Hash}); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
				t.Errorf("%q as %s: commit: %v", trick, field, err)
			}
			if err := r.DeleteObject(ctx, k.Workspace, k.Hash); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
				t.Errorf("%q as %s: delete: %v", trick, field, err)
			}
			// Even a token that we signed ourselves would open nothing.
			c := uploadClaims(r, "content")
			c.Workspace, c.Hash = k.Workspace, string(k.Hash)
			if rec := r.put(c, strings.NewReader("content")); rec.Code != 400 {
				t.Errorf("%q as %s: upload: %d", trick, field, rec.Code)
			}
			c.Operation = opDownload
			if rec := r.get(c); rec.Code != 400 {
				t.Errorf("%q as %s: download: %d", trick, field, rec.Code)
			}
		}
		in := or3cloud.StorageGCRequest{WorkspaceID: trick}
		if _, err := r.GC(ctx, in); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%q: GC: %v", trick, err)
		}
		if err := r.InspectStorage(ctx, in, func(or3cloud.StoredItem) error { return nil }); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%q: inspect: %v", trick, err)
		}
		// A name in an answer cannot break out of its header.
		c := downloadClaims(r, "content")
		c.Filename = trick
		rec := r.get(c)
		if d := rec.Header().Get("Content-Disposition"); rec.Code != 200 || strings.ContainsAny(d, "\r\n\x00/\\") {
			t.Errorf("%q as a file name: %d, %q", trick, rec.Code, d)
		}
		req := httptest.NewRequest("GET", downloadPath, nil)
		req.URL.RawQuery = "token=" + strings.Map(func(r rune) rune {
			if r <= ' ' || r > '~' {
				return -1
			}
			return r
		}, trick)
		if rec := r.do(req); rec.Code != 400 && rec.Code != 403 {
			t.Errorf("%q as a token: %d", trick, rec.Code)
		}
	}
	if after := r.files(); !slices.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// TestLinksInTheStore: a link to elsewhere that someone has planted, by the name of a file, a workspace or a whole part
// of the store, is neither followed nor taken for an absence, and survives a collection unharmed, as does its target.
func TestLinksInTheStore(t *testing.T) {
	outside := t.TempDir()
	secret := filepath.Join(outside, "secret")
	plant := func(t *testing.T, r *rig, target, name string) {
		t.Helper()
		full := filepath.Join(r.dir, filepath.FromSlash(name))
		if err := os.RemoveAll(full); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, full); err != nil {
			t.Skip(err)
		}
	}
	for name, link := range map[string]func(*testing.T, *rig){
		"a file":      func(t *testing.T, r *rig) { plant(t, r, secret, keyOf("content").Live(r.record("content").Generation)) },
		"a sidecar":   func(t *testing.T, r *rig) { plant(t, r, secret, keyOf("content").Sidecar()) },
		"a workspace": func(t *testing.T, r *rig) { plant(t, r, outside, "workspaces/ws") },
		"everything":  func(t *testing.T, r *rig) { plant(t, r, outside, layout.Workspaces) },
		"a file of another workspace": func(t *testing.T, r *rig) {
			plant(t, r, "../other/"+filepath.Base(keyOf("content").Live("")), keyOf("content").Live(r.record("content").Generation))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(secret, []byte("content"), 0o600); err != nil {
				t.Fatal(err)
			}
			r := newRig(t)
			r.store("content")
			r.writeFile("workspaces/other/"+filepath.Base(keyOf("content").Live("")), "content")
			link(t, r)
			rec := r.get(downloadClaims(r, "content"))
			if rec.Code == 200 {
				t.Errorf("followed: %d %q", rec.Code, rec.Body)
			}
			r.clock.Advance(aged)
			r.gc()
			r.DeleteObject(t.Context(), "ws", hashOf("content"))
			r.janitor.RemoveLeftovers(t.Context())
			if b, err := os.ReadFile(secret); err != nil || string(b) != "content" {
				t.Errorf("what the link points to: %q, %v", b, err)
			}
			if entries, err := os.ReadDir(outside); err != nil || len(entries) != 1 {
				t.Errorf("outside there are %v, %v", entries, err)
			}
		})
	}
}

// TestSecondNameOfAStoredFile: a hard link that someone makes to a stored file does not let its content be changed from
// outside without being noticed, and removing ours leaves theirs.
func TestSecondNameOfAStoredFile(t *testing.T) {
	r := newRig(t)
	r.store("content")
	second := filepath.Join(t.TempDir(), "second")
	if err := os.Link(r.path("content"), second); err != nil {
		t.Skip(err)
	}
	if err := os.WriteFile(second, []byte("CONTENT"), 0o600); err != nil {
		t.Fatal(err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 {
		t.Errorf("changed content was served: %d %q", rec.Code, rec.Body)
	}
	r.store("content")
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("after the next upload: %d %q", rec.Code, rec.Body)
	}
	if b, err := os.ReadFile(second); err != nil || string(b) != "CONTENT" {
		t.Errorf("the second name: %q, %v", b, err)
	}
}
