package host

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
)

// signIn signs in another browser of the same person.
func (r *real) signIn(t testing.TB, email, password string) *person {
	t.Helper()
	p := r.visitor(t)
	p.do("POST", "/api/basic-auth/sign-in", fmt.Sprintf(`{"email":%q,"password":%q}`, email, password), nil)
	p.resolve()
	return p
}

// upload stores a file and returns a signed URL with which this browser can read it.
func (p *person) upload(content string) (download string) {
	p.t.Helper()
	sum := sha256.Sum256([]byte(content))
	name := "sha256:" + hex.EncodeToString(sum[:])
	var signed struct {
		URL       string
		StorageID string `json:"storageId"`
	}
	p.do("POST", "/api/storage/presign-upload", fmt.Sprintf(
		`{"workspace_id":%q,"hash":%q,"mime_type":"text/plain","size_bytes":%d}`, p.workspace, name, len(content)), &signed)
	req, err := http.NewRequestWithContext(p.t.Context(), "PUT", p.url+signed.URL, strings.NewReader(content))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "text/plain")
	res, err := p.client.Do(req)
	if err != nil || res.StatusCode != 200 {
		p.t.Fatal(res, err)
	}
	res.Body.Close()
	p.do("POST", "/api/storage/commit", fmt.Sprintf(
		`{"workspace_id":%q,"hash":%q,"storage_id":%q,"storage_provider_id":"fs","mime_type":"text/plain","size_bytes":%d,"name":"a.txt","kind":"pdf"}`,
		p.workspace, name, signed.StorageID, len(content)), nil)
	p.do("POST", "/api/storage/presign-download", fmt.Sprintf(`{"workspace_id":%q,"hash":%q,"storage_id":%q}`, p.workspace, name, signed.StorageID), &signed)
	return signed.URL
}

// Someone who ends the sessions of a browser, from another browser or as the operator, expects that it then sees
// nothing: what it has open ends, and links that it was given before lead nowhere.
func TestAnEndedSessionLosesStreamsAndSignedURLsWithinTwoSeconds(t *testing.T) {
	const email, password = "ann@example.test", "correct horse"
	accounts := func(r *real, f func(or3cloud.AccountAdmin) error) error {
		return r.instance.Operate(func(op instance.Operator) error { return f(op.Accounts) })
	}
	for name, end := range map[string]func(t *testing.T, r *real, other *person) error{
		"revoked in another browser": func(t *testing.T, _ *real, other *person) error {
			var list struct {
				Sessions []struct {
					ID      string
					Current bool
				}
			}
			other.do("GET", "/api/basic-auth/sessions", "", &list)
			if len(list.Sessions) != 2 || !list.Sessions[0].Current {
				return fmt.Errorf("sessions %+v", list)
			}
			other.do("POST", "/api/basic-auth/sessions/revoke", fmt.Sprintf(`{"id":%q}`, list.Sessions[1].ID), nil)
			return nil
		},
		"all others revoked": func(_ *testing.T, _ *real, other *person) error {
			other.do("POST", "/api/basic-auth/sessions/revoke-others", `{}`, nil)
			return nil
		},
		"password changed in another browser": func(_ *testing.T, _ *real, other *person) error {
			other.do("POST", "/api/basic-auth/change-password",
				`{"currentPassword":"correct horse","newPassword":"another long secret","confirmNewPassword":"another long secret","keepSession":true}`, nil)
			return nil
		},
		"account switched off": func(t *testing.T, r *real, _ *person) error {
			return accounts(r, func(a or3cloud.AccountAdmin) error { return a.SetDisabled(t.Context(), email, true) })
		},
		"account deleted": func(_ *testing.T, _ *real, other *person) error {
			other.do("POST", "/api/basic-auth/delete-account", `{"email":"ann@example.test"}`, nil)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startReal(t, eventsapi.Bounds{}, nil)
			p := r.register(t, email)
			other := r.signIn(t, email, password)
			file := p.upload("a file of mine")
			if res, body, err := p.send(t.Context(), "GET", file, ""); err != nil || res.StatusCode != 200 || string(body) != "a file of mine" {
				t.Fatal(res, err)
			}
			events := p.listen()
			events.next()

			if err := end(t, r, other); err != nil {
				t.Fatal(err)
			}
			if res, body, err := p.send(t.Context(), "GET", file, ""); err != nil || res.StatusCode != 401 && res.StatusCode != 403 {
				t.Errorf("the signed URL answers %v %v %s", res, err, body)
			}
			events.end()
			if res, body, err := p.send(t.Context(), "GET", "/api/auth/session", ""); err != nil || res.StatusCode != 200 || !json.Valid(body) || !strings.Contains(string(body), `"session":null`) {
				t.Errorf("session %v %v %s", res, err, body)
			}
		})
	}
}
