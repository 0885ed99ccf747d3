//go:build unix

package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestFilesWithKeysThatAllUsersCanRead checks which files with secrets are reported. Everyone may read a .env file
// without a secret, and a file readable by a group is the operator's decision.
func TestFilesWithKeysThatAllUsersCanRead(t *testing.T) {
	cat, _ := catalogue(t, provider("basic-auth"))
	dir := t.TempDir()
	env, key := filepath.Join(dir, ".env"), filepath.Join(dir, "key")
	for _, c := range []struct {
		text     string
		env, key os.FileMode
		want     []string
	}{
		{"OR3_PUBLIC_URL=https://cloud.example.org\n", 0o644, 0o600, nil},
		{"OR3_BASIC_AUTH_JWT_SECRET=a-key-of-more-than-thirty-two-characters\n", 0o600, 0o600, nil},
		{"OR3_BASIC_AUTH_JWT_SECRET=a-key-of-more-than-thirty-two-characters\n", 0o640, 0o600, nil},
		{"OR3_BASIC_AUTH_JWT_SECRET=a-key-of-more-than-thirty-two-characters\n", 0o644, 0o600, []string{env}},
		{"OR3_BASIC_AUTH_JWT_SECRET_FILE=" + key + "\n", 0o644, 0o644, []string{key}},
		{"OR3_BASIC_AUTH_JWT_SECRET_FILE=" + key + "\nOR3_SMTP_URL=smtp://a:b@mail.example.org\n", 0o604, 0o604, []string{key, env}},
	} {
		for path, file := range map[string]struct {
			text string
			mode os.FileMode
		}{env: {c.text, c.env}, key: {"a-key-of-more-than-thirty-two-characters", c.key}} {
			if err := os.WriteFile(path, []byte(file.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, file.mode); err != nil {
				t.Fatal(err)
			}
		}
		cfg, _, _ := Load(cat, Sources{EnvFile: env, Environ: []string{"OR3_WEBHOOKS_ENCRYPTION_KEY=" + strings.Repeat("k", 40)}})
		var got []string
		for _, p := range cfg.Exposed() {
			if got = append(got, p.Variable); !strings.Contains(p.Fix, "chmod o-rwx "+p.Variable) || p.Why == "" {
				t.Errorf("%+v", p)
			}
		}
		slices.Sort(got)
		slices.Sort(c.want)
		if !slices.Equal(got, c.want) {
			t.Errorf("%04o %04o %q: %q, want %q", c.env, c.key, c.text, got, c.want)
		}
	}
}
