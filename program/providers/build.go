package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/linked"
)

// Options are what the command needs from its program.
type Options struct {
	Stdout, Stderr io.Writer
	Environ        []string
	// Register registers the providers that are compiled in.
	Register []func(*or3cloud.Registry) error
	// Version is that of this program.
	Version string
	// Usage makes an error a mistake on the command line.
	Usage func(error) error
}

// build makes a program.
type build struct {
	Options
	with, without   []string
	output, sources string
	version         string
}

// Command returns the command that builds a program with other providers. It takes no arguments.
func Command(o Options) *cobra.Command {
	b := build{Options: o}
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build the program with other providers",
		Long: "Build the program with other providers than those of this one: --with adds the package of a provider, of any module, and --without\n" +
			"leaves one out. It needs Go and, for modules that are not cached, the network. This program is not changed; the new one is built from the\n" +
			"version of the sources that this one was built from, or from those in the directory of --sources.\n\n" +
			"A version is @v1.2.3, @latest (the default) or a commit; =DIRECTORY builds a package from the directory of its module instead.",
		Example: "  or3-cloud build --with example.org/or3-postgres@v1.2.0 --without sqlite\n" +
			"  or3-cloud build --with example.org/mycloud/household=../mycloud --output ./mycloud",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			return b.run(ctx)
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&b.with, "with", nil, "add a provider: PACKAGE[@VERSION] or PACKAGE=DIRECTORY; may be repeated")
	f.StringArrayVar(&b.without, "without", nil, "leave a provider out, by its id; may be repeated")
	f.StringVar(&b.output, "output", "or3-cloud-custom"+executableSuffix(), "file to write")
	f.StringVar(&b.version, "version", "", "version of OR3 Cloud to build (default: the one of this program)")
	f.StringVar(&b.sources, "sources", "", "directory with the sources of OR3 Cloud to build instead of a version")
	return cmd
}

func executableSuffix() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

// addition is a provider to add.
type addition struct{ path, version, dir string }

// parse reads the value of --with.
func parse(text string) (a addition, err error) {
	a.path, a.dir, _ = strings.Cut(text, "=")
	a.path, a.version, _ = strings.Cut(a.path, "@")
	switch {
	case a.path == "" || strings.HasSuffix(text, "=") || strings.Contains(text, "@") && a.version == "":
		return a, fmt.Errorf("--with takes PACKAGE[@VERSION] or PACKAGE=DIRECTORY, not %q", text)
	case a.dir != "" && a.version != "":
		return a, fmt.Errorf("--with %s: a directory has no version", text)
	}
	return a, nil
}

// plan returns the packages of the new program, and which of them are added.
func (b build) plan() (packages []string, added []addition, err error) {
	registry := &or3cloud.Registry{}
	for _, register := range b.Register {
		if err := register(registry); err != nil {
			return nil, nil, err
		}
	}
	var ids []string
	for _, p := range registry.Providers() {
		ids = append(ids, p.ID)
		if !slices.Contains(b.without, p.ID) {
			packages = append(packages, p.Package)
		}
	}
	for _, id := range b.without {
		if !slices.Contains(ids, id) {
			hint := ""
			if near := config.Nearest(id, ids); near != "" {
				hint = ". Did you mean " + near + "?"
			}
			return nil, nil, b.Usage(fmt.Errorf("--without %s: this program has no such provider, but %s%s", id, strings.Join(ids, ", "), hint))
		}
	}
	for _, text := range b.with {
		a, err := parse(text)
		if err != nil {
			return nil, nil, b.Usage(err)
		}
		if a.dir != "" {
			if a.dir, err = filepath.Abs(a.dir); err != nil {
				return nil, nil, err
			}
			if info, err := os.Stat(a.dir); err != nil || !info.IsDir() {
				return nil, nil, b.Usage(fmt.Errorf("--with %s: %s is not a directory", text, a.dir))
			}
		}
		for _, p := range registry.Providers() {
			if p.Package == a.path && slices.Contains(b.without, p.ID) {
				return nil, nil, b.Usage(fmt.Errorf("--with %s and --without %s are about the same provider", a.path, p.ID))
			}
		}
		added = append(added, a)
		packages = append(packages, a.path)
	}
	return packages, added, nil
}

// mainFile is the main function of a program.
const mainFile = linked.Header + `

package main

import "or3.chat/cloud/program"

func main() { program.Main(providers...) }
`

// run builds in a directory of its own, and then moves the program to its destination: a build that fails leaves what
// is there.
func (b build) run(ctx context.Context) (err error) {
	packages, added, err := b.plan()
	if err != nil {
		return err
	}
	source, err := linked.Program{Packages: packages}.Source()
	if err != nil {
		return b.Usage(err)
	}
	if _, err := exec.LookPath("go"); err != nil {
		return fmt.Errorf("building needs Go, which was not found: install it from https://go.dev/dl/ and put it into PATH: %w", err)
	}
	output, err := filepath.Abs(b.output)
	if err != nil {
		return err
	}
	switch info, err := os.Stat(output); {
	case b.output == "":
		return b.Usage(errors.New("--output: name a file"))
	case err == nil && !info.Mode().IsRegular():
		return b.Usage(fmt.Errorf("--output: %s exists, and is not a file that could be replaced", output))
	}
	if info, err := os.Stat(filepath.Dir(output)); err != nil || !info.IsDir() {
		return b.Usage(fmt.Errorf("--output: %s is not a directory", filepath.Dir(output)))
	}
	// Next to the output, so that it can be renamed into place, and write errors show before anything is built.
	beside, err := os.MkdirTemp(filepath.Dir(output), ".or3-cloud-build-")
	if err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(beside)) }()
	dir, err := os.MkdirTemp("", "or3-cloud-build-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	for name, text := range map[string][]byte{"main.go": []byte(mainFile), "providers.go": source} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	if err := b.demand(ctx, dir, added); err != nil {
		return err
	}
	fresh := filepath.Join(beside, filepath.Base(output))
	if err := b.goTool(ctx, dir, nil, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", fresh, "."); err != nil {
		return err
	}
	list, err := b.ask(ctx, dir, fresh)
	if err != nil {
		return fmt.Errorf("the program that was built does not run: %w", err)
	}
	if err := os.Rename(fresh, output); err != nil {
		return err
	}
	fmt.Fprintf(b.Stdout, "Built %s\n", output)
	for _, p := range list {
		if p.CompiledIn {
			fmt.Fprintf(b.Stdout, "  with %s from %s\n", p.ID, strings.TrimSpace(p.Package+" "+p.Version))
		}
	}
	return nil
}

// ask makes a program list what it has: two providers with one id, for example, are found here and not at the first
// start.
func (b build) ask(ctx context.Context, dir, program string) (list []Provider, err error) {
	cmd := exec.CommandContext(ctx, program, "providers", "--json")
	cmd.Dir, cmd.Stderr = dir, b.Stderr
	cmd.Env = []string{} // the configuration here does not matter
	for _, kv := range b.Environ {
		if name, _, _ := strings.Cut(kv, "="); name == "SYSTEMROOT" { // without which nothing runs on Windows
			cmd.Env = append(cmd.Env, kv)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	return list, json.Unmarshal(out, &list)
}

// demand writes the go.mod of the program.
func (b build) demand(ctx context.Context, dir string, added []addition) error {
	text := "module or3-cloud-custom\n\ngo " + strings.TrimPrefix(goVersion(), "go") + "\n"
	if b.sources != "" {
		sources, err := filepath.Abs(b.sources)
		if err != nil {
			return err
		}
		demands, err := os.ReadFile(filepath.Join(sources, "go.mod"))
		if err != nil {
			return fmt.Errorf("--sources: %w", err)
		}
		_, rest, ok := bytes.Cut(demands, []byte("module "+linked.Module+"\n"))
		if !ok {
			return fmt.Errorf("--sources: %s is not the module %s", sources, linked.Module)
		}
		// The versions that the sources were tested with.
		text = fmt.Sprintf("module or3-cloud-custom\n%s\nrequire %s v0.0.0\n\nreplace %[2]s => %s\n", rest, linked.Module, sources)
		sums, err := os.ReadFile(filepath.Join(sources, "go.sum"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(text), 0o644); err != nil {
		return err
	}
	if b.sources == "" {
		version := b.version
		if version == "" {
			version = b.Version
		}
		if !strings.HasPrefix(version, "v") || strings.Contains(version, "+") { // the version of a work tree with changes ends in +dirty
			return b.Usage(errors.New("the version of this program is not known; say which one to build with --version, or where its sources are with --sources"))
		}
		if err := b.goTool(ctx, dir, nil, "get", linked.Module+"@"+version); err != nil {
			return err
		}
	}
	for _, a := range added {
		if a.dir != "" {
			if err := b.replace(ctx, dir, a); err != nil {
				return err
			}
			continue
		}
		if within(a.path, linked.Module) && a.version == "" {
			continue // comes with the program
		}
		version := a.version
		if version == "" {
			version = "latest"
		}
		if err := b.goTool(ctx, dir, nil, "get", a.path+"@"+version); err != nil {
			return err
		}
	}
	return nil
}

func within(path, module string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// goVersion is the version of Go that this program was built with, which can also build its sources.
func goVersion() string {
	version, _, _ := strings.Cut(runtime.Version(), " ")
	if !strings.HasPrefix(version, "go1.") {
		return "go1.26"
	}
	return version
}

// replace makes a package be built from the directory of its module.
func (b build) replace(ctx context.Context, dir string, a addition) error {
	var printed bytes.Buffer
	if err := b.goTool(ctx, a.dir, &printed, "mod", "edit", "-json"); err != nil {
		return fmt.Errorf("%s: %w", a.dir, err)
	}
	var mod struct{ Module struct{ Path string } }
	if err := json.Unmarshal(printed.Bytes(), &mod); err != nil {
		return fmt.Errorf("%s: %w", a.dir, err)
	}
	if !within(a.path, mod.Module.Path) {
		return b.Usage(fmt.Errorf("--with %s=%s: there is the module %s, which has no such package", a.path, a.dir, mod.Module.Path))
	}
	return b.goTool(ctx, dir, nil, "mod", "edit", "-require="+mod.Module.Path+"@v0.0.0", "-replace="+mod.Module.Path+"="+a.dir)
}

// endPatience is how long an interrupted Go tool has to end.
const endPatience = 10 * time.Second

// goTool runs the Go tool in a directory.
func (b build) goTool(ctx context.Context, dir string, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env, cmd.Stdout = dir, append(slices.Clone(b.Environ), "GOWORK=off"), out
	if out == nil {
		cmd.Stdout = b.Stderr
	}
	cmd.Stderr = b.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // so that it removes its own files
	cmd.WaitDelay = endPatience
	if err := cmd.Run(); ctx.Err() != nil {
		return errors.New("interrupted; nothing was built")
	} else if err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
