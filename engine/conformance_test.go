package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providertest"
)

// The suites of providers run over the protocol: a host in another process gets whatever they promise.

func TestSyncOverTheProtocol(t *testing.T) {
	providertest.TestSync(t, func(t *testing.T) providertest.SyncBackend {
		r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false", "OR3_WORKSPACES_PER_USER=1000000")
		return providertest.SyncBackend{Sync: adapter{r.client}, Workspaces: r.store(), Advance: r.advance}
	})
}

func TestWorkspaceStoreOverTheProtocol(t *testing.T) {
	providertest.TestWorkspaceStore(t, func(t *testing.T) providertest.WorkspaceBackend {
		r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false", "OR3_WORKSPACES_PER_USER=50")
		return providertest.WorkspaceBackend{Workspaces: r.store(), Advance: r.advance}
	})
}

func TestAuthOverTheProtocol(t *testing.T) {
	providertest.TestAuth(t, func(t *testing.T) providertest.Auth {
		r := opened(t, "OR3_STORAGE_ENABLED=false")
		people := 0
		return providertest.Auth{
			ID: "basic-auth", Provider: signer{r.client}, Now: r.clock,
			SignIn: func(t *testing.T) ([]*http.Cookie, or3cloud.ProviderSession) {
				people++
				email := fmt.Sprintf("person%d@example.test", people)
				cookies := r.register(t, email)
				found, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(cookies)})
				if err != nil || found.Session == nil {
					t.Fatal(err, found)
				}
				return cookies, or3cloud.ProviderSession{UserID: found.Session.UserID, Email: email, DisplayName: found.Session.DisplayName}
			},
			SignOut: func(t *testing.T, cookies []*http.Cookie) {
				if res := r.relayed(t, Caller{ClientIP: "192.0.2.1"}, "POST", "/api/basic-auth/sign-out", "", cookies); res.StatusCode != 200 {
					t.Fatal(res.Status)
				}
			},
			Expire: func(*testing.T) { r.advance(31 * 24 * time.Hour) },
		}
	})
}

func cookieRequest(cookies []*http.Cookie) BrowserRequest {
	var all []string
	for _, c := range cookies {
		all = append(all, c.Name+"="+c.Value)
	}
	return BrowserRequest{URL: "/api/auth/session", Headers: map[string]string{"cookie": strings.Join(all, "; ")}}
}

// relayed passes a browser's request on, and reads the answer.
func (r *rig) relayed(t testing.TB, caller Caller, verb, path, body string, cookies []*http.Cookie) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), verb, "http://engine"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(callerHeader, caller.encode())
	req.Header.Set("Content-Type", "application/json")
	for _, c := range cookies {
		req.AddCookie(c)
	}
	res, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(bytes.NewReader(text))
	return res
}

// register makes an account, as the account page does through the host.
func (r *rig) register(t testing.TB, email string) []*http.Cookie {
	t.Helper()
	res := r.relayed(t, Caller{ClientIP: "192.0.2.1", Host: "chat.example.test"}, "POST", "/api/basic-auth/register",
		fmt.Sprintf(`{"email":%q,"password":"correct horse","confirmPassword":"correct horse"}`, email), nil)
	if res.StatusCode != 200 {
		text, _ := io.ReadAll(res.Body)
		t.Fatalf("%s %s", res.Status, text)
	}
	return slices.DeleteFunc(res.Cookies(), func(c *http.Cookie) bool { return c.MaxAge < 0 }) // of other paths
}

// world is a sync provider in which everyone owns every workspace, with the reference claims of a storage suite.
type world struct {
	or3cloud.AuthWorkspaceStore
	or3cloud.SyncGatewayAdapter
}

func (world) GetWorkspaceRole(context.Context, string, string) (or3cloud.Role, error) {
	return or3cloud.RoleOwner, nil
}

type claimingWorld struct {
	world
	or3cloud.ReferenceClaimer
}

func TestStorageOverTheProtocol(t *testing.T) {
	var known or3cloud.Registry
	if err := fs.Register(&known); err != nil {
		t.Fatal(err)
	}
	files, _ := known.Lookup("fs")
	providertest.TestStorage(t, func(t *testing.T, env or3cloud.Env) *or3cloud.Instance {
		var registry or3cloud.Registry
		served := files
		served.Open = func(ctx context.Context, own or3cloud.Env) (*or3cloud.Instance, error) {
			env.Config, env.Host, env.Log = own.Config, own.Host, own.Log
			return files.Open(ctx, env)
		}
		rows := or3cloud.Provider{ID: "world", Package: "test", Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
			if env.References == nil {
				return &or3cloud.Instance{Workspaces: world{}, Sync: world{}, Close: func() error { return nil }}, nil
			}
			w := claimingWorld{world{}, env.References}
			return &or3cloud.Instance{Workspaces: w, Sync: w, Close: func() error { return nil }}, nil
		}}
		if err := errors.Join(noUsers(&registry), registry.Register(served), registry.Register(rows)); err != nil {
			t.Fatal(err)
		}
		r := over(t, &registry, false, "AUTH_PROVIDER=nobody", "OR3_SYNC_PROVIDER=world")
		r.ahead.Store(int64(time.Until(env.Now())))
		if err := r.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		s := &storage{client: r.client}
		inst := &or3cloud.Instance{Storage: s}
		for _, e := range r.present().Routes {
			inst.Routes = append(inst.Routes, or3cloud.Route{Method: e.Method, Path: e.Path, Handle: s.relay})
		}
		return inst
	})
}

// storage is or3cloud.StorageGatewayAdapter, StorageCollector, TransferReader and ObjectDeleter over the protocol.
type storage struct {
	*client
	user atomic.Value // the last one that a URL was signed for
}

func (s *storage) presign(ctx context.Context, user, name string, in any) (or3cloud.Presigned, error) {
	s.user.Store(user)
	out, err := ask[presigned](ctx, s.client, forUser(user), name, in)
	p := or3cloud.Presigned{URL: out.URL, Method: out.Method, Headers: out.Headers, StorageID: out.StorageID, Disposition: out.Disposition}
	if out.ExpiresAt != 0 {
		p.ExpiresAt = time.UnixMilli(out.ExpiresAt)
	}
	return p, err
}

func (s *storage) PresignUpload(ctx context.Context, in or3cloud.PresignUploadRequest) (or3cloud.Presigned, error) {
	return s.presign(ctx, in.UserID, "storage/presign-upload", object{
		"workspaceId": in.WorkspaceID, "hash": in.Hash, "mimeType": in.MIMEType, "sizeBytes": in.SizeBytes,
		"expiresInMs": in.ExpiresIn.Milliseconds(), "disposition": in.Disposition,
	})
}

func (s *storage) PresignDownload(ctx context.Context, in or3cloud.PresignDownloadRequest) (or3cloud.Presigned, error) {
	return s.presign(ctx, in.UserID, "storage/presign-download", object{
		"workspaceId": in.WorkspaceID, "hash": in.Hash, "storageId": in.StorageID, "expiresInMs": in.ExpiresIn.Milliseconds(),
		"disposition": in.Disposition, "mimeType": in.MIMEType, "filename": in.Filename,
	})
}

func (s *storage) Commit(ctx context.Context, in or3cloud.CommitRequest) (int64, error) {
	out, err := ask[commitAnswer](ctx, s.client, forUser(in.UserID), "storage/commit", object{
		"workspace_id": in.WorkspaceID, "hash": in.Hash, "storage_id": in.StorageID, "storage_provider_id": in.StorageProviderID,
		"mime_type": in.MIMEType, "size_bytes": in.SizeBytes, "name": in.Name, "kind": in.Kind,
	})
	return out.SizeBytes, err
}

func (s *storage) GC(ctx context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	return ask[or3cloud.StorageGCReport](ctx, s.client, Caller{}, "storage/gc", object{
		"workspace_id": in.WorkspaceID, "retention_seconds": int64(in.Retention.Seconds()), "limit": in.Limit,
	})
}

func (s *storage) DeleteObject(ctx context.Context, ws string, hash or3cloud.BlobHash) error {
	_, err := ask[nothing](ctx, s.client, Caller{}, "storage/delete-object", objectRequest{ws, string(hash)})
	return err
}

func (s *storage) ReadTransfer(ctx context.Context, token string) (or3cloud.Transfer, error) {
	return ask[or3cloud.Transfer](ctx, s.client, Caller{}, "storage/read-transfer", transferRequest{token})
}

// relay passes a browser's request on and its answer back, as a host does.
func (s *storage) relay(w http.ResponseWriter, r *http.Request) error {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://engine"+r.URL.RequestURI(), r.Body)
	if err != nil {
		return err
	}
	req.Header, req.ContentLength = r.Header.Clone(), r.ContentLength
	user, _ := s.user.Load().(string)
	caller := forUser(user)
	caller.Host = r.Host
	req.Header.Set(callerHeader, caller.encode())
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	for name, values := range res.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(res.StatusCode)
	_, err = io.Copy(w, res.Body)
	return err
}
