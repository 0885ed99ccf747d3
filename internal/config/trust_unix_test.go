//go:build unix

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

// TestFilesThatOthersCanWriteAreNotTrusted tries every file that configures the server: the .env file, the one of
// --env-file, and one that holds a secret.
func TestFilesThatOthersCanWriteAreNotTrusted(t *testing.T) {
	const name = "OR3_BASIC_AUTH_JWT_SECRET"
	for _, c := range []struct {
		name     string
		file     os.FileMode
		dir, top os.FileMode
		owner    int // of the file, if it is another user
		want     string
		fix      string
	}{
		{name: "private", file: 0o600, dir: 0o700},
		{name: "readable by others", file: 0o644, dir: 0o755},
		{name: "in a directory of a group", file: 0o600, dir: 0o775},
		{name: "in a sticky directory", file: 0o600, dir: 0o777 | os.ModeSticky},
		{name: "writable by the group", file: 0o660, dir: 0o700, want: "mode 0660", fix: "chmod go-w"},
		{name: "writable by everyone", file: 0o606, dir: 0o700, want: "mode 0606", fix: "chmod go-w"},
		{name: "in a directory that everyone may write to", file: 0o600, dir: 0o777, want: "everyone may write to", fix: "chmod o-w"},
		{name: "below a directory that everyone may write to", file: 0o600, dir: 0o700, top: 0o777, want: "everyone may write to", fix: "chmod o-w"},
		{name: "of another user", file: 0o600, dir: 0o700, owner: 4711, want: "id 4711", fix: "chown 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := filepath.Join(t.TempDir(), "top")
			dir := filepath.Join(top, "dir")
			file := filepath.Join(dir, "file")
			linked := filepath.Join(t.TempDir(), "link")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("OR3_PUBLIC_URL=https://planted.example\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(file, linked); err != nil {
				t.Fatal(err)
			}
			if c.owner != 0 {
				if os.Geteuid() != 0 {
					t.Skip("only root can give a file away")
				}
				if err := os.Chown(file, c.owner, c.owner); err != nil {
					t.Fatal(err)
				}
			}
			if c.top == 0 {
				c.top = 0o700
			}
			for path, mode := range map[string]os.FileMode{file: c.file, dir: c.dir, top: c.top} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			catalogued, _ := catalogue(t, provider("basic-auth"))
			for _, path := range []string{file, linked} {
				for variable, sources := range map[string]Sources{
					path:           {EnvFile: path},
					"--env-file":   {EnvFile: path, EnvFileRequired: true},
					name + "_FILE": {Environ: []string{name + "_FILE=" + path}},
				} {
					for _, strict := range []string{"false", "true"} {
						sources.Environ = append(sources.Environ, setting.StrictConfig+"="+strict, "SSR_AUTH_ENABLED=true", "AUTH_PROVIDER=basic-auth")
						cfg, problems, _ := Load(catalogued, sources)
						used := cfg.String(setting.PublicURL) != "" || cfg.String(name) != ""
						if c.want == "" {
							if len(problems) > 0 || !used {
								t.Errorf("%s: %+v, used: %v", variable, problems, used)
							}
							continue
						}
						if len(problems) != 1 || problems[0].Variable != variable || !strings.Contains(problems[0].Fault, path) ||
							!strings.Contains(problems[0].Fault, c.want) || !strings.Contains(problems[0].Fix, c.fix) {
							t.Errorf("%s: %+v", variable, problems)
						}
						if used {
							t.Errorf("%s: a value of the file is used", variable)
						}
					}
				}
			}
		})
	}
	devNull, _ := catalogue(t)
	if _, problems, _ := Load(devNull, Sources{EnvFile: os.DevNull, EnvFileRequired: true}); len(problems) > 0 {
		t.Errorf("%s: %+v", os.DevNull, problems)
	}
}
