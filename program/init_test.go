package program

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/program/initialize"
)

// runInit runs init with standard input that is not a terminal.
func runInit(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(file, []byte(stdin), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	a, out, errs := testApp(nil)
	a.stdin = in
	code = a.main(append([]string{"init"}, args...))
	return out.String(), errs.String(), code
}

// TestInitInScripts runs the commands of the guide for use without a terminal.
//
//walk:follows operations.md or3-cloud init --yes --preset personal-local
//walk:follows operations.md or3-cloud init --yes --set OR3_PUBLIC_URL=https://cloud.example.org --with systemd,caddy
//walk:follows operations.md or3-cloud init --dry-run --json --answers answers.json
//walk:follows operations.md {"preset": "recommended", "values": {"OR3_PUBLIC_URL": "https://cloud.example.org"}, "files": ["systemd", "caddy"]}
func TestInitInScripts(t *testing.T) {
	const answers = `{"preset":"recommended","values":{"OR3_PUBLIC_URL":"https://cloud.example.org"},"files":["nginx"]}`
	for _, c := range []struct {
		name, stdin string
		args        []string
		files       []string
		code        int
		says        string
	}{
		{"personal", "", []string{"--yes", "--preset", "personal-local"}, []string{".env", "data/"}, 0, "Written"},
		{
			"with files", "", []string{"--yes", "--set", "OR3_PUBLIC_URL=https://cloud.example.org", "--with", "systemd,caddy"},
			[]string{".env", "Caddyfile", "or3-cloud.service"}, 0, "systemctl enable --now or3-cloud",
		},
		{"answers", answers, []string{"--yes", "--answers", "-"}, []string{".env", "data/", "or3-cloud.nginx.conf"}, 0, "Written"},
		{
			"the answers of the guide", `{"preset": "recommended", "values": {"OR3_PUBLIC_URL": "https://cloud.example.org"}, "files": ["systemd", "caddy"]}`,
			[]string{"--yes", "--answers", "-"}, []string{".env", "Caddyfile", "or3-cloud.service"}, 0, "Written",
		},
		{"flags win over answers", answers, []string{"--dry-run", "--answers", "-", "--preset", "personal-local", "--with", "caddy"}, nil, 0, "personal-local"},
		{"dry", answers, []string{"--dry-run", "--answers", "-"}, nil, 0, "Would write"},
		{"dry wins over yes", answers, []string{"--dry-run", "--yes", "--answers", "-"}, nil, 0, "Would write"},
		{"nothing to ask", "", nil, nil, 2, "--dry-run"},
		{"json is not consent", "", []string{"--json"}, nil, 2, "--yes"},
		{"a problem", "", []string{"--yes"}, nil, 1, "OR3_PUBLIC_URL"},
		{"a wrong value", "", []string{"--yes", "--preset", "personal-local", "--set", "OR3_ADDR=here"}, nil, 1, "OR3_ADDR"},
		{"a wrong name", "", []string{"--yes", "--set", "OR3_PUBLIC_ULR=x"}, nil, 1, "Did you mean OR3_PUBLIC_URL?"},
		{"no value", "", []string{"--yes", "--set", "OR3_PUBLIC_URL"}, nil, 2, "KEY=VALUE"},
		{"a wrong preset", "", []string{"--yes", "--preset", "clerk-convex"}, nil, 1, "Nuxt"},
		{"a wrong host", "", []string{"--yes", "--host", "windows"}, nil, 1, "host"},
		{"a wrong file", "", []string{"--yes", "--preset", "local-only", "--with", "apache"}, nil, 1, "apache"},
		{"wrong answers", `{"present":""}`, []string{"--yes", "--answers", "-"}, nil, 1, "present"},
		{"no directory", "", []string{"--yes", "--preset", "local-only", "--dir", "/dev/null"}, nil, 1, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			out, errs, code := runInit(t, c.stdin, append([]string{"--dir", dir}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.says) {
				t.Errorf("exit code %d, want %d with %q\n%s%s", code, c.code, c.says, out, errs)
			}
			if got := names(t, dir); !slices.Equal(got, c.files) {
				t.Errorf("written: %v, want %v", got, c.files)
			}
			if code != 0 && strings.Contains(out, "Written") {
				t.Errorf("it says that it has written: %s", out)
			}
		})
	}
}

// names are the names in a directory, those of directories with a slash.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() {
			name += "/"
		}
		names = append(names, name)
	}
	return names
}

// TestInitPrintsPlansAsJSON for programs: complete, without secrets, with the problems.
func TestInitPrintsPlansAsJSON(t *testing.T) {
	const password = "violet harbour 19 maps"
	dir := t.TempDir()
	out, errs, code := runInit(t, "", "--dir", dir, "--json", "--yes", "--set", "OR3_PUBLIC_URL=https://cloud.example.org",
		"--set", "OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=a@example.org", "--set", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD="+password)
	var p initialize.Printed
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 0 {
		t.Fatal(err, code, errs)
	}
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.Written || p.Preset != "recommended" || p.Providers["auth"] != "basic-auth" || len(p.Problems) != 0 || len(p.Files) != 1 || p.Files[0].Path != ".env" {
		t.Errorf("%s", out)
	}
	for _, v := range p.Variables {
		if !bytes.Contains(env, []byte(v.Name+"=")) {
			t.Errorf("%s is planned and not written", v.Name)
		}
		if v.Secret && (v.Value != "" || v.Length == 0) {
			t.Errorf("%+v", v)
		}
	}
	if strings.Contains(out, password) {
		t.Error("the password is in the plan")
	}
	out, _, code = runInit(t, "", "--dir", t.TempDir(), "--json", "--dry-run")
	p = initialize.Printed{}
	if err := json.Unmarshal([]byte(out), &p); err != nil || code != 1 || p.Written || len(p.Problems) != 1 || p.Problems[0].Variable != "OR3_PUBLIC_URL" {
		t.Errorf("%v %d %s", err, code, out)
	}
}
