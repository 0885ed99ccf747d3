package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestErrorsOfOtherSystemsAreFound has code that is wrong in one file for one system.
func TestErrorsOfOtherSystemsAreFound(t *testing.T) {
	for file, text := range map[string]string{
		"a_windows.go":      "package a\n\nfunc f() int { return Missing }\n",
		"a_windows_test.go": "package a\n\nimport \"testing\"\n\nfunc TestF(t *testing.T) { unused := 1 }\n",
		"b_windows_test.go": "package a_test\n\nimport \"fmt\"\n",
		"c_windows.go":      "package a\n\nvar _ = 1 +\n",
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{"go.mod": "module a\n\ngo 1.26\n", "a.go": "package a\n\nimport \"os\"\n\nvar _ = os.Args\n", file: text} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for system, wrong := range map[string]bool{"windows": true, "linux": false} {
			found, err := check(dir, append(os.Environ(), "GOOS="+system, "GOFLAGS=", "CGO_ENABLED=0"), "./...")
			if found == 0 || (err != nil) != wrong || wrong && !strings.Contains(err.Error(), file) {
				t.Errorf("%s on %s: %d packages, %v", file, system, found, err)
			}
		}
	}
	if _, err := check(t.TempDir(), os.Environ(), "./missing"); err == nil {
		t.Error("a pattern that matches nothing is all right")
	}
}
