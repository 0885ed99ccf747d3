package host

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
	settings "or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/openapi"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// real is a host with the providers of the program, on a real port.
type real struct {
	*Host
	started
	ahead atomic.Int64    // of the clock, in nanoseconds
	log   patience.Output // at level debug, if OR3_LOG_LEVEL asks for it
}

// startReal starts one. change, if set, replaces the sync provider.
func startReal(t testing.TB, streams eventsapi.Bounds, change func(or3cloud.Provider) or3cloud.Provider, environ ...string) *real {
	t.Helper()
	return startProgram(t, streams, change, func(*or3cloud.Registry) adminapi.Program { return adminapi.Program{} }, environ...)
}

// startProgram is startReal for a program that can be administered.
func startProgram(t testing.TB, streams eventsapi.Bounds, change func(or3cloud.Provider) or3cloud.Provider, program func(*or3cloud.Registry) adminapi.Program,
	environ ...string) *real {
	t.Helper()
	var own, registry or3cloud.Registry
	if err := errors.Join(basicauth.Register(&registry), fs.Register(&registry), sqlite.Register(&own)); err != nil {
		t.Fatal(err)
	}
	store, _ := own.Lookup("sqlite")
	if change != nil {
		store = change(store)
	}
	if err := registry.Register(store); err != nil {
		t.Fatal(err)
	}
	catalogue, err := settings.NewCatalogue(&registry)
	if err != nil {
		t.Fatal(err)
	}
	environ = append([]string{"SSR_AUTH_ENABLED=true"}, environ...)
	cfg, problems, _ := settings.Load(catalogue, settings.Sources{Environ: environ})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	out := &real{}
	log := slog.New(slog.DiscardHandler)
	var journal *logx.Journal
	if slices.Contains(environ, "OR3_LOG_LEVEL=debug") {
		journal = logx.Open(&out.log, slog.LevelDebug, false, time.Now())
		log = journal.Logger
	}
	out.Host, err = over(options{Options: Options{Program: program(&registry)}, instanceOptions: instance.Options{
		Registry: &registry, Config: cfg, DataDir: t.TempDir(), Log: log, Journal: journal, Rand: rand.Reader,
		Now:    func() time.Time { return time.Now().Add(time.Duration(out.ahead.Load())) },
		Secret: func(name string) (string, error) { return "a secret for " + name + ", long enough to be one", nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	out.streams = streams
	if err := out.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	out.started = start(t, out.Host, 2*patience.Limit)
	t.Cleanup(func() {
		out.stop()
		if err := <-out.done; err != nil {
			t.Error(err)
		}
	})
	return out
}

// person is a signed-in browser.
type person struct {
	t         testing.TB
	url       string
	client    *http.Client
	user      string
	workspace string
}

func (r *real) register(t testing.TB, email string) *person {
	t.Helper()
	p := r.visitor(t)
	p.do("POST", "/api/basic-auth/register", fmt.Sprintf(`{"email":%q,"password":"correct horse","confirmPassword":"correct horse"}`, email), nil)
	p.resolve()
	return p
}

func (r *real) visitor(t testing.TB) *person {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t: t, url: r.url, client: &http.Client{Jar: jar, Transport: openapi.Transport(t, &http.Transport{})}}
}

// resolve asks for the session.
func (p *person) resolve() {
	p.t.Helper()
	var s struct {
		Session struct{ User, Workspace struct{ ID string } }
	}
	p.do("GET", "/api/auth/session", "", &s)
	if p.user, p.workspace = s.Session.User.ID, s.Session.Workspace.ID; p.user == "" {
		p.t.Fatal("not signed in")
	}
}

// do sends a request that must succeed.
func (p *person) do(method, path, body string, into any) {
	p.t.Helper()
	res, text, err := p.send(p.t.Context(), method, path, body)
	if err != nil || res.StatusCode >= 300 {
		p.t.Fatalf("%s %s: %v %v %s", method, path, err, res, text)
	}
	if into != nil {
		if err := json.Unmarshal(text, into); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *person) send(ctx context.Context, method, path, body string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := p.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, text, err
}

// push writes a kv row.
func (p *person) push(n int) {
	p.t.Helper()
	p.do("POST", "/api/sync/push", fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, p.workspace, kvOp(n, n)), nil)
}

// kvOp is a put of row k<row> with op id n.
func kvOp(n, row int) string {
	return fmt.Sprintf(`{"tableName":"kv","operation":"put","pk":"k%[2]d","payload":{"id":"k%[2]d","name":"n%[2]d","value":"v","created_at":1,"updated_at":1,"clock":%[1]d},`+
		`"stamp":{"deviceId":"1a2b3c4d","opId":"0f0e3c52-6a50-4b5e-8f3e-%012[1]d","hlc":"0mll3o9og:000:1a2b3c4d","clock":%[1]d}}`, n, row)
}
