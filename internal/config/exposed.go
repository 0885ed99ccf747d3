package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
)

// SecretFiles returns the files that secrets were read from, each once.
func (c *Config) SecretFiles() (files []string) {
	for _, name := range c.names {
		v := c.values[name]
		file, _, _ := strings.Cut(string(v.Origin), ", as ")
		if !v.Setting.Secret || !v.IsSet || file == "" || Origin(file) == OriginEnvironment || slices.Contains(files, file) {
			continue
		}
		files = append(files, file)
	}
	return files
}

// Exposed returns the files with secrets that every user of the machine may read. It ignores those on a read-only
// mount, because that is how containers get them. Whether others may write them is checked when they are read.
func (c *Config) Exposed() (problems []or3cloud.Problem) {
	for _, path := range c.SecretFiles() {
		f, err := os.Open(path)
		if err != nil {
			continue // the server reads it as another user, or has reported why it cannot
		}
		info, err := f.Stat()
		if err == nil && exposed(f, info) {
			problems = append(problems, or3cloud.Problem{
				Variable: path, Fault: fmt.Sprintf("can be read by every user of this machine (mode %04o)", info.Mode().Perm()),
				Why: "it contains keys, and anyone who has them can sign in as any user", Fix: "Run: chmod o-rwx " + path,
			})
		}
		f.Close()
	}
	return problems
}
