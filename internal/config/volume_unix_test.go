//go:build unix

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

// TestFilesAsContainersMountThem reads secrets and .env files as Kubernetes, Docker and volumes with fixed modes
// present them.
func TestFilesAsContainersMountThem(t *testing.T) {
	const (
		name   = "OR3_BASIC_AUTH_JWT_SECRET"
		secret = "0123456789012345678901234567890123456789"
	)
	for _, c := range []struct {
		name string
		file os.FileMode
		dir  os.FileMode
		// links means that the file is reached through ..data, as the kubelet places it.
		links bool
		// foreign means that the file belongs neither to us nor to root.
		foreign bool
		// refused is the reason why it is refused without OR3_SHARED_VOLUME.
		refused string
	}{
		{name: "a Kubernetes secret", file: 0o644, dir: 0o777 | os.ModeSticky | os.ModeSetgid, links: true},
		{name: "a Kubernetes secret with fsGroup", file: 0o440, dir: 0o777 | os.ModeSticky | os.ModeSetgid, links: true},
		{name: "a Kubernetes secret with fsGroup and mode 0400", file: 0o440, dir: 0o755, links: true},
		{name: "a Docker secret", file: 0o444, dir: 0o755},
		{name: "a credential of systemd", file: 0o400, dir: 0o500},
		{name: "readable by the group", file: 0o640, dir: 0o750},
		{name: "on a volume with fsGroup", file: 0o660, dir: 0o770 | os.ModeSetgid, refused: "mode 0660"},
		{name: "on SMB", file: 0o777, dir: 0o777, refused: "mode 0777"},
		{name: "below an emptyDir", file: 0o600, dir: 0o777 | os.ModeSetgid, refused: "everyone may write to"},
		{name: "on NFS, where root is no one", file: 0o600, dir: 0o700, foreign: true, refused: "id 4711"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			file := filepath.Join(dir, "file")
			real := file
			if c.links {
				real = filepath.Join(dir, "..2026_11_28", "file")
			}
			if err := os.MkdirAll(filepath.Dir(real), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(real, []byte(name+"="+secret), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.links {
				for link, to := range map[string]string{"..data": "..2026_11_28", "file": "..data/file"} {
					if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if c.foreign {
				if os.Geteuid() != 0 {
					t.Skip("only root can give a file away")
				}
				if err := os.Chown(real, 4711, -1); err != nil {
					t.Fatal(err)
				}
			}
			t.Cleanup(func() { os.Chmod(dir, 0o700) }) // so that it can be removed
			for path, mode := range map[string]os.FileMode{real: c.file, dir: c.dir} {
				if err := os.Chmod(path, mode); err != nil {
					t.Fatal(err)
				}
			}
			catalogued, _ := catalogue(t, provider("basic-auth"))
			for _, environ := range [][]string{nil, {setting.SharedVolume + "=true"}} {
				for variable, sources := range map[string]Sources{
					"--env-file":   {EnvFile: file, EnvFileRequired: true},
					name + "_FILE": {Environ: []string{name + "_FILE=" + file}},
				} {
					sources.Environ = slices.Concat(sources.Environ, environ)
					cfg, problems, warnings := Load(catalogued, sources)
					used := cfg.String(name) != ""
					if c.refused == "" || environ != nil {
						if len(problems) > 0 || !used {
							t.Errorf("%s, %v: %+v, used: %v", variable, environ, problems, used)
						}
						told := slices.ContainsFunc(texts(warnings), func(w string) bool { return strings.Contains(w, file) && strings.Contains(w, c.refused) })
						if told != (c.refused != "") {
							t.Errorf("%s, %v: %q", variable, environ, warnings)
						}
						continue
					}
					if used || len(problems) != 1 || problems[0].Variable != variable || !strings.Contains(problems[0].Fault, c.refused) ||
						!strings.Contains(problems[0].Fix, setting.SharedVolume+"=true in the environment") {
						t.Errorf("%s: %+v, used: %v", variable, problems, used)
					}
				}
			}
		})
	}
}

// TestAFileDoesNotVouchForItself has a .env file that others can write and that claims to be on a shared volume.
func TestAFileDoesNotVouchForItself(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte(setting.SharedVolume+"=true\nOR3_PUBLIC_URL=https://planted.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	catalogued, _ := catalogue(t)
	cfg, problems, _ := Load(catalogued, Sources{EnvFile: file, EnvFileRequired: true})
	if len(problems) != 1 || cfg.String(setting.PublicURL) != "" || cfg.Bool(setting.SharedVolume) {
		t.Errorf("%+v, %q", problems, cfg.String(setting.PublicURL))
	}
}
