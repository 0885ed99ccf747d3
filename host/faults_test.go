package host

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/diskspace"
)

// withEnv hands the Env that a provider is opened with to f.
func withEnv(t testing.TB, w *world, id string, f func(or3cloud.Env)) *or3cloud.Registry {
	t.Helper()
	var r or3cloud.Registry
	for _, p := range w.registry(t).Providers() {
		if p.ID == id {
			open := p.Open
			p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
				f(env)
				return open(ctx, env)
			}
		}
		if err := r.Register(p); err != nil {
			t.Fatal(err)
		}
	}
	return &r
}

func TestAProviderThatCannotGoOnIsReportedOnce(t *testing.T) {
	w := newWorld()
	var env or3cloud.Env
	registry := withEnv(t, w, "sync", func(e or3cloud.Env) { env = e })
	var reasons []string
	open(t, w.host(t, defaults(), func(o *Options) {
		o.Registry, o.Fatal = registry, func(err error) { reasons = append(reasons, err.Error()) }
	}))
	env.Fatal(errors.New("fsync failed"))
	env.Fatal(errors.New("fsync failed again"))
	if len(reasons) != 1 || reasons[0] != `provider "sync": fsync failed` {
		t.Errorf("%q", reasons)
	}
}

func TestAFatalProviderWithoutAnybodyToTell(t *testing.T) {
	w := newWorld()
	registry := withEnv(t, w, "sync", func(e or3cloud.Env) { e.Fatal(errors.New("fsync failed")) })
	open(t, w.host(t, defaults(), func(o *Options) { o.Registry = registry }))
}

// One measurement serves all directories on a file system, providers see it, and so does deep health.
func TestDiskSpaceReachesProvidersAndDeepHealth(t *testing.T) {
	w := newWorld()
	var free atomic.Uint64
	free.Store(50 << 30)
	var full func() bool
	dir := t.TempDir()
	registry := withEnv(t, w, "storage", func(e or3cloud.Env) { full = e.DiskFull(dir) })
	h := open(t, w.host(t, defaults(), func(o *Options) {
		o.Registry, o.DataDir = registry, dir
		o.Disk = func(string) (diskspace.Usage, error) {
			return diskspace.Usage{Device: 1, Free: free.Load(), Total: 100 << 30}, nil
		}
	}))
	if full() {
		t.Error("full at the start")
	}
	free.Store(1 << 20)
	h.space.Check()
	if !full() {
		t.Error("not full with one MiB left")
	}
	rec := httptest.NewRecorder()
	h.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/api/health?deep=true", nil))
	if body, _ := io.ReadAll(rec.Body); !strings.Contains(string(body), `"disk":{"state":"full","freeBytes":1048576}`) {
		t.Errorf("%s", body)
	}
}
