// Package version describes a build: its version, its commit, and what is compiled in.
package version

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/program/console"
)

// Info is what "or3-cloud version --json" prints, for programs such as a server that is about to be replaced.
type Info struct {
	// Name is always or3-cloud: it distinguishes this program from any other.
	Name string `json:"name"`
	// Version is that of the release, such as v1.2.3, or one that the Go tool makes from the commit, or "devel" where
	// neither is known.
	Version string `json:"version"`
	// Commit is the full hash and CommitTime when it was made; both are absent if the build did not record them, and in
	// a program of another module, which has commits of its own.
	Commit     string     `json:"commit,omitempty"`
	CommitTime *time.Time `json:"commitTime,omitempty"`
	// Modified says that the work tree had changes that are in no commit.
	Modified bool `json:"modified"`
	// Go is the version of Go, Platform the operating system and the architecture, such as linux/amd64.
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// Providers are the ids of those that are compiled in, and Tags the build tags.
	Providers []string `json:"providers"`
	Tags      []string `json:"tags"`
}

// Name is the name of the program in its version.
const Name = "or3-cloud"

// Command returns the command that prints the description of a build. It takes no arguments.
func Command(out io.Writer, info func() (Info, error)) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: "Print name, version, commit, Go version and platform, and which providers are compiled in. or3-cloud --version prints the same.\n\n" +
			"A release has a version such as v1.2.3; a build from another commit has one that Go makes from its time and hash.",
		Example: "  or3-cloud version\n  or3-cloud version --json",
		RunE: func(*cobra.Command, []string) error {
			this, err := info()
			if err != nil {
				return err
			}
			if !asJSON {
				return this.Print(out)
			}
			return console.PrintJSON(out, this)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// Print writes two lines for people:
//
//	or3-cloud v1.2.3 (commit 0123456789ab of 2026-11-28, go1.26.0, linux/amd64)
//	providers: basic-auth, fs, sqlite
func (v Info) Print(w io.Writer) error {
	commit := ""
	if v.Commit != "" {
		commit = "commit " + v.Commit[:min(len(v.Commit), 12)]
		if v.CommitTime != nil {
			commit += " of " + v.CommitTime.UTC().Format(time.DateOnly)
		}
		if v.Modified {
			commit += " with changes"
		}
		commit += ", "
	}
	compiled := "providers: " + cmp.Or(strings.Join(v.Providers, ", "), "none")
	if len(v.Tags) > 0 {
		compiled += "; build tags: " + strings.Join(v.Tags, ", ")
	}
	_, err := fmt.Fprintf(w, "%s %s (%s%s, %s)\n%s\n", v.Name, v.Version, commit, v.Go, v.Platform, compiled)
	return err
}

// This describes the running program. given is the version that its builder has set, or empty.
func This(given string) Info {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(given, info)
}

// With adds the providers that are registered.
func (v Info) With(registered *or3cloud.Registry) Info {
	for _, p := range registered.Providers() {
		v.Providers = append(v.Providers, p.ID)
	}
	return v
}

// module is the module that this package belongs to.
const module = "or3.chat/cloud"

// describe uses the given version, or otherwise what the Go tool recorded: the version of "go install …@v1.2.3", the
// tag of a work tree, one made from its commit, or the version that the module of a foreign main function requires.
func describe(given string, info *debug.BuildInfo) Info {
	own, foreign := info.Main, false
	for _, dep := range info.Deps {
		if dep.Path == module {
			own, foreign = *dep, true
			if dep.Replace != nil {
				own = *dep.Replace
			}
		}
	}
	recorded := own.Version
	if recorded == "(devel)" {
		recorded = ""
	}
	v := Info{
		Name: Name, Version: cmp.Or(given, recorded, "devel"), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Providers: []string{}, Tags: []string{},
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" && s.Value != "" {
			v.Tags = strings.Split(s.Value, ",")
		}
	}
	if foreign {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.time":
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				v.CommitTime = &at
			}
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
