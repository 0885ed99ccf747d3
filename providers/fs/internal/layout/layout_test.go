package layout

import (
	"path"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

const goodHash = "sha256:ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73"

func TestWorkspaceIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"6317a9f3-54ce-4f7a-aacd-51e9fedbfdd6": true, "a": true, "A_b-9": true, strings.Repeat("a", MaxWorkspaceID): true,
		"COM": true, "COM10": true, "console": true, "lpt": true,

		"": false, strings.Repeat("a", MaxWorkspaceID+1): false, ".": false, "..": false, "a/b": false, `a\b`: false,
		"a.b": false, "a b": false, "a\x00": false, "a\n": false, "a:b": false, "~": false, "%2e%2e": false, "..%2f": false,
		"ä": false, "a\u0300": false, "\uff0e\uff0e\uff0f": false, "\u2024\u2024": false, "\xff": false, "a\u202eb": false,
		"CON": false, "con": false, "NUL": false, "prn": false, "Aux": false, "com1": false, "LPT9": false, "COM0": false,
	} {
		if ValidWorkspaceID(id) != want {
			t.Errorf("%q: %v", id, !want)
		}
	}
}

func TestKeysRefuseHashesThatAreNone(t *testing.T) {
	for _, hash := range []string{
		"", "sha256:", "sha256:../../etc/passwd", "../../etc/passwd", goodHash + "/..", goodHash + "\x00", goodHash + " ",
		"sha512:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("a", 63), "sha256:" + strings.Repeat("a", 65),
		"md5:" + strings.Repeat("a", 64), strings.Repeat("g", 64), "sha256:" + strings.Repeat("\uff41", 64),
		"sha256_" + strings.Repeat("a", 64), "sha256:sha256:" + strings.Repeat("a", 57),
	} {
		if k, ok := NewKey("ws", hash); ok {
			t.Errorf("%q became %v", hash, k)
		}
	}
	upper, ok := NewKey("ws", strings.ToUpper(goodHash))
	if lower, _ := NewKey("ws", goodHash); !ok || upper != lower {
		t.Errorf("spellings differ: %v, %v", upper, lower)
	}
}

func TestParseName(t *testing.T) {
	k, _ := NewKey("ws", goodHash)
	generation := strings.Repeat("0a", 16)
	for name, want := range map[string]struct {
		generation  string
		sidecar, ok bool
	}{
		k.Base():                                {"", false, true},
		k.File(generation):                      {generation, false, true},
		k.Base() + SidecarSuffix:                {"", true, true},
		k.File(generation) + SidecarSuffix:      {},
		k.File("short"):                         {},
		k.File(strings.ToUpper(generation)):     {},
		k.Base() + ".":                          {},
		strings.ToUpper(k.Base()):               {},
		path.Base(k.Temp(generation)):           {},
		k.Hash.Digest():                         {},
		"notes.txt":                             {},
		"sha256_" + strings.Repeat("g", 64):     {},
		strings.Replace(k.Base(), "_", ":", 1):  {},
		strings.Replace(k.Base(), "_", "__", 1): {},
	} {
		got, gen, sidecar, ok := ParseName("ws", name)
		if ok != want.ok || ok && (got != k || gen != want.generation || sidecar != want.sidecar) {
			t.Errorf("%q: %v %q %v %v", name, got, gen, sidecar, ok)
		}
	}
}

func FuzzKeys(f *testing.F) {
	for _, id := range []string{"ws", "..", "a/b", "CON", "a\x00b"} {
		for _, hash := range []string{goodHash, "md5:" + strings.Repeat("0", 32), "../x", strings.ToUpper(goodHash)} {
			f.Add(id, hash)
		}
	}
	f.Fuzz(func(t *testing.T, workspace, hash string) {
		k, ok := NewKey(workspace, hash)
		if !ok {
			return
		}
		for _, p := range []string{k.Live(""), k.Live("g"), k.Trash(""), k.Sidecar(), k.Temp("r")} {
			parts := strings.Split(p, "/")
			if len(parts) != 3 || path.Clean(p) != p || parts[1] != workspace || strings.ContainsAny(p, "\\:\x00%~ ") {
				t.Errorf("%q, %q give the path %q", workspace, hash, p)
			}
		}
		if again, ok := NewKey(k.Workspace, string(k.Hash)); !ok || again != k {
			t.Errorf("%v is not canonical", k)
		}
	})
}

func FuzzParseName(f *testing.F) {
	k, _ := NewKey("ws", goodHash)
	for _, name := range []string{k.Base(), k.File(strings.Repeat("0", 32)), k.Base() + SidecarSuffix, "x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		k, generation, sidecar, ok := ParseName("ws", name)
		if !ok {
			return
		}
		want := k.Live(generation)
		if sidecar {
			want = k.Sidecar()
		}
		if path.Join(Workspaces, "ws", name) != want {
			t.Errorf("%q parses to what is written as %q", name, want)
		}
	})
}

func TestStorageIDIsWorkspaceAndHash(t *testing.T) {
	k, _ := NewKey("ws", or3cloud.BlobHash(goodHash).Digest())
	if k.StorageID() != "ws:"+goodHash {
		t.Error(k.StorageID())
	}
}
