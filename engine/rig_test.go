package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/instance"
	settings "or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// rig is an engine on a real socket.
type rig struct {
	*client
	*Engine
	ahead atomic.Int64 // of the clock, in nanoseconds
	data  string
}

func (r *rig) clock() time.Time        { return time.Now().Add(time.Duration(r.ahead.Load())) }
func (r *rig) advance(d time.Duration) { r.ahead.Add(int64(d)) }
func (r *rig) store() store            { return store{r.client} }
func (r *rig) member(t testing.TB) (user, ws string) {
	t.Helper()
	user, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	active, err := r.store().GetOrCreateDefaultWorkspace(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return user, active.ID
}

// noUsers registers an auth provider that knows no one, for tests of the others.
func noUsers(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{ID: "nobody", Package: "test", Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
		return &or3cloud.Instance{Auth: noOne{}, Close: func() error { return nil }}, nil
	}})
}

type noOne struct{}

func (noOne) GetSession(context.Context, *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	return nil, nil
}

func madeSecret(name string) (string, error) {
	return "a secret for " + name + ", long enough to be one", nil
}

// made returns an engine that listens and is not open yet.
func made(t testing.TB, loopback bool, environ ...string) *rig {
	t.Helper()
	var registry or3cloud.Registry
	if err := errors.Join(basicauth.Register(&registry), fs.Register(&registry), sqlite.Register(&registry), noUsers(&registry)); err != nil {
		t.Fatal(err)
	}
	return over(t, &registry, loopback, environ...)
}

func over(t testing.TB, registry *or3cloud.Registry, loopback bool, environ ...string) *rig {
	t.Helper()
	catalogue, err := settings.NewCatalogue(registry)
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems, _ := settings.Load(catalogue, settings.Sources{Environ: append([]string{"SSR_AUTH_ENABLED=true"}, environ...)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r := &rig{data: t.TempDir()}
	of, err := instance.New(instance.Options{
		Registry: registry, Config: cfg, Partial: true, DataDir: r.data, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Rand: rand.Reader, Now: r.clock,
		Secret: madeSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := place.Listen(r.data, loopback)
	if err != nil {
		t.Fatal(err)
	}
	r.Engine = New(of, Options{Version: "test", Secret: ln.Secret, Memory: membudget.Limit{Bytes: 1 << 30}})
	r.client = newClient(ln.Place)
	srv := &http.Server{Handler: r.Handler(), ReadHeaderTimeout: time.Minute}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	t.Cleanup(func() {
		if err := errors.Join(r.Engine.Close(), srv.Close(), ln.Withdraw()); err != nil {
			t.Error(err)
		}
		<-done
	})
	return r
}

// opened returns an engine that answers all methods.
func opened(t testing.TB, environ ...string) *rig {
	t.Helper()
	r := made(t, false, environ...)
	if err := r.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}
