package providers

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
)

func fake(id string, serves ...or3cloud.ProviderKind) func(*or3cloud.Registry) error {
	return func(r *or3cloud.Registry) error {
		return r.Register(or3cloud.Provider{
			ID: id, Package: "example.org/" + id, Serves: serves,
			Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
				return nil, errors.New("never opened")
			},
		})
	}
}

func TestListSaysWhatIsThereSelectedAndMissing(t *testing.T) {
	reg := &or3cloud.Registry{}
	for _, register := range []func(*or3cloud.Registry) error{fake("all"), fake("basic-auth", or3cloud.ProviderAuth), fake("files", or3cloud.ProviderStorage)} {
		if err := register(reg); err != nil {
			t.Fatal(err)
		}
	}
	catalogue, err := config.NewCatalogue(reg)
	if err != nil {
		t.Fatal(err)
	}
	info := &debug.BuildInfo{
		Main: debug.Module{Path: "example.org", Version: "(devel)"},
		Deps: []*debug.Module{{Path: "example.org/files", Version: "v1.2.3"}, {Path: "example.org/fil", Version: "v9.9.9"}},
	}
	cfg, _, _ := config.Load(catalogue, config.Sources{Environ: []string{"NUXT_PUBLIC_STORAGE_PROVIDER=all"}})
	var out bytes.Buffer
	if err := Print(&out, List(cfg, reg, info)); err != nil {
		t.Fatal(err)
	}
	want := `PROVIDER    FOR                  SELECTED  FROM
all         auth, sync, storage  storage   example.org/all
basic-auth  auth                 auth      example.org/basic-auth
files       storage              –         example.org/files v1.2.3
sqlite      sync                 sync      not compiled in

sqlite is missing for sync. Install it: build the program again with or3-cloud build --with or3.chat/cloud/providers/sqlite, or set `
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got\n%s\nwant\n%s", &out, want)
	}
	cfg, _, _ = config.Load(catalogue, config.Sources{Environ: []string{"SSR_AUTH_ENABLED=false"}})
	for _, p := range List(cfg, reg, nil) {
		if !p.CompiledIn || len(p.Selected) > 0 || p.Version != "" {
			t.Errorf("without accounts: %+v", p)
		}
	}
	// A provider that is there for another role is missing in this one.
	cfg, _, _ = config.Load(catalogue, config.Sources{Environ: []string{"OR3_SYNC_PROVIDER=files", "NUXT_PUBLIC_STORAGE_PROVIDER=files"}})
	last := List(cfg, reg, nil)[3]
	if last.ID != "files" || last.CompiledIn || !slices.Equal(last.Selected, []or3cloud.ProviderKind{or3cloud.ProviderSync}) || last.Fix == "" {
		t.Errorf("%+v", last)
	}
}

type usage struct{ error }

func command(register ...func(*or3cloud.Registry) error) build {
	return build{Options: Options{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, Register: register, Usage: func(err error) error { return usage{err} }}}
}

func TestWhatIsBuilt(t *testing.T) {
	t.Chdir(t.TempDir())
	dir, err := filepath.Abs("somewhere")
	if err = errors.Join(err, os.Mkdir("somewhere", 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name          string
		with, without []string
		packages      []string
		added         []addition
	}{
		{"as it is", nil, nil, []string{"example.org/a", "example.org/b"}, nil},
		{"without one", nil, []string{"a"}, []string{"example.org/b"}, nil},
		{"without any", nil, []string{"a", "b"}, nil, nil},
		{
			"with others", []string{"example.org/c@v1.2.3", "example.org/d", "example.org/e/v2=somewhere"}, []string{"b"},
			[]string{"example.org/a", "example.org/c", "example.org/d", "example.org/e/v2"},
			[]addition{{"example.org/c", "v1.2.3", ""}, {"example.org/d", "", ""}, {"example.org/e/v2", "", dir}},
		},
	} {
		b := command(fake("a"), fake("b"))
		b.with, b.without = c.with, c.without
		packages, added, err := b.plan()
		if err != nil || !slices.Equal(packages, c.packages) || !slices.Equal(added, c.added) {
			t.Errorf("%s: %q %+v, %v", c.name, packages, added, err)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, c := range []struct {
		name          string
		with, without []string
		version       string
		want          string
	}{
		{"an unknown provider", nil, []string{"sqlit"}, "", "Did you mean sqlite?"},
		{"no package", []string{"@v1"}, nil, "", "PACKAGE"},
		{"no version", []string{"example.org/a@"}, nil, "", "PACKAGE"},
		{"no directory", []string{"example.org/a="}, nil, "", "PACKAGE"},
		{"a directory that is not there", []string{"example.org/a=./gone"}, nil, "", "is not a directory"},
		{"a file for a directory", []string{"example.org/a=providers_test.go"}, nil, "", "is not a directory"},
		{"one in and out", []string{"example.org/sqlite"}, []string{"sqlite"}, "", "the same provider"},
		{"a directory with a version", []string{"example.org/a@v1=dir"}, nil, "", "no version"},
		{"what is not an import path", []string{"not a path"}, nil, "", "import path"},
		{"a program of no known version", nil, nil, "devel", "--sources"},
		{"a program of changed sources", nil, nil, "v1.2.3+dirty", "--sources"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := command(fake("sqlite"))
			b.with, b.without, b.Version = c.with, c.without, c.version
			b.output = filepath.Join(t.TempDir(), "out")
			err := b.run(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, new(usage)) {
				t.Errorf("%v, want a mistake of usage with %q", err, c.want)
			}
			if entries, _ := os.ReadDir(filepath.Dir(b.output)); len(entries) > 0 {
				t.Errorf("something was left: %v", entries)
			}
		})
	}
}

// TestBuildKnowsWhereItCannotWrite before it builds, and leaves what is there.
func TestBuildKnowsWhereItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "taken"), 0o700), os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, output := range []string{filepath.Join(dir, "taken"), filepath.Join(dir, "gone", "or3-cloud"), filepath.Join(dir, "file", "or3-cloud"), ""} {
		b := command(fake("sqlite"))
		b.sources, b.output = dir, output
		if err := b.run(t.Context()); err == nil || !strings.Contains(err.Error(), "--output") || !errors.As(err, new(usage)) {
			t.Errorf("%q: %v", output, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
}
