package program

import (
	"cmp"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/program/console"
)

// release is the version that the linker was told: -ldflags "-X or3.chat/cloud/program.release=v1.2.3", as "make dist" does. It is for builds from a
// source archive, of which the Go tool records none.
var release string

// versionInfo is what "or3-cloud version --json" prints, for programs such as a server that is about to be replaced.
type versionInfo struct {
	// Name is always or3-cloud: it tells this program from any other one.
	Name string `json:"name"`
	// Version is that of the release, such as v1.2.3, or one that the Go tool makes of the commit, or "devel" where neither is known.
	Version string `json:"version"`
	// Commit is the full hash and CommitTime when it was made; both are absent if the build did not record them, and from a program
	// of another module, which has commits of its own.
	Commit     string     `json:"commit,omitempty"`
	CommitTime *time.Time `json:"commitTime,omitempty"`
	// Modified says that the work tree had changes that are in no commit.
	Modified bool `json:"modified"`
	// Go is the version of Go, Platform the operating system and the architecture, such as linux/amd64.
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// programName is what the program calls itself in its version.
const programName = "or3-cloud"

func (a app) version() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Long: "Print name, version, commit, Go version and platform. or3-cloud --version prints the same.\n\n" +
			"A release has a version such as v1.2.3; a build from another commit has one that Go makes of its time and hash.",
		Example: "  or3-cloud version\n  or3-cloud version --json",
		Args:    noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !asJSON {
				return thisBuild().print(a.stdout)
			}
			return console.PrintJSON(a.stdout, thisBuild())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// print writes one line for people: "or3-cloud v1.2.3 (commit 0123456789ab, go1.26.0, linux/amd64)".
func (v versionInfo) print(w io.Writer) error {
	commit := ""
	if v.Commit != "" {
		commit = "commit " + v.Commit[:min(len(v.Commit), 12)]
		if v.Modified {
			commit += " with changes"
		}
		commit += ", "
	}
	_, err := fmt.Fprintf(w, "%s %s (%s%s, %s)\n", v.Name, v.Version, commit, v.Go, v.Platform)
	return err
}

// buildVersion is the version of this build.
func buildVersion() string { return thisBuild().Version }

// thisBuild describes the running program.
func thisBuild() versionInfo {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return describe(release, info)
}

// module is the module that this package belongs to.
const module = "or3.chat/cloud"

// describe takes the version that was given, or else what the Go tool recorded: the version of "go install …@v1.2.3", the tag of
// a work tree, one made of its commit, or the version that the module of a foreign main function demands.
func describe(given string, info *debug.BuildInfo) versionInfo {
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
	v := versionInfo{
		Name: programName, Version: cmp.Or(given, recorded, "devel"), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
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
