package web

import (
	"flag"
	"io"
	"log/slog"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/config"
)

// configuration returns the one of an environment.
func configuration(t testing.TB, environ ...string) or3cloud.Config {
	t.Helper()
	catalogue, err := config.NewCatalogue(&or3cloud.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems, _ := config.Load(catalogue, config.Sources{Environ: environ})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return cfg
}

// cloud is a plan with everything on.
var cloud = instance.Plan{
	Auth: instance.Role{ID: "basic-auth", On: true}, Sync: instance.Role{ID: "sqlite", On: true}, Storage: instance.Role{ID: "fs", On: true}, SyncServed: true,
}

// inCloud returns the options for a client of a server with accounts.
func inCloud(t testing.TB, dir string, environ ...string) Options {
	return Options{Dir: dir, Config: configuration(t, environ...), Plan: cloud}
}

// withoutCloud returns the options for a client of a server without accounts.
func withoutCloud(t testing.TB, dir string) Options {
	return Options{Dir: dir, Config: configuration(t, "SSR_AUTH_ENABLED=false")}
}

var update = flag.Bool("update", false, "write the golden files again")

// logTo returns a log that writes to a buffer.
func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
