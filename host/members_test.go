package host

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
)

// want sends a request whose answer must have a status and contain a text.
func (p *person) want(status int, text, method, path, body string) *http.Response {
	p.t.Helper()
	res, got, err := p.send(p.t.Context(), method, path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	if res.StatusCode != status || !strings.Contains(string(got), text) {
		p.t.Errorf("%s %s %s: %d %s; want %d %s", method, path, body, res.StatusCode, got, status, text)
	}
	return res
}

// TestOwnersManageMembers follows a member from the list to the end of the membership: the next request is refused, a
// stream ends, and the active workspace is another one.
func TestOwnersManageMembers(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann, bob, eve := r.register(t, "ann@example.test"), r.register(t, "bob@example.test"), r.register(t, "eve@example.test")
	store := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := store.SetMemberRole(t.Context(), ann.workspace, bob.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	of := func(extra string) string { return fmt.Sprintf(`{"workspaceId":%q%s}`, ann.workspace, extra) }
	user := func(p *person, extra string) string { return of(fmt.Sprintf(`,"userId":%q%s`, p.user, extra)) }
	members, invites := "/api/workspaces/members?workspaceId="+ann.workspace, "/api/workspaces/invites?workspaceId="+ann.workspace

	ann.want(200, fmt.Sprintf(`{"userId":%q,"email":"bob@example.test","role":"viewer"}`, bob.user), "GET", members, "")
	ann.want(200, `"role":"owner"`, "GET", "/api/workspaces/members", "") // the active one
	ann.want(200, `{"invites":[]}`, "GET", invites, "")
	ann.want(400, "Invalid query", "GET", invites+"&limit=501", "")
	for _, p := range []*person{bob, eve} {
		p.want(403, "Forbidden", "GET", members, "")
		p.want(403, "Forbidden", "GET", invites, "")
		p.want(403, "Forbidden", "POST", "/api/workspaces/members/set-role", user(bob, `,"role":"owner"`))
		p.want(403, "Forbidden", "POST", "/api/workspaces/members/remove", user(ann, ""))
		p.want(403, "Forbidden", "POST", "/api/workspaces/invites/revoke", of(`,"inviteId":"x"`))
	}
	for _, body := range []string{of(""), user(bob, `,"role":"king"`), `[]`, ``} {
		ann.want(400, "Invalid request", "POST", "/api/workspaces/members/set-role", body)
	}
	ann.want(404, "Member not found", "POST", "/api/workspaces/members/set-role", user(eve, `,"role":"viewer"`))
	ann.want(409, "A workspace needs an owner", "POST", "/api/workspaces/members/set-role", user(ann, `,"role":"viewer"`))
	ann.want(409, "A workspace needs an owner", "POST", "/api/workspaces/members/remove", user(ann, ""))
	ann.want(404, "Invite not found", "POST", "/api/workspaces/invites/revoke", of(`,"inviteId":"x"`))

	ann.want(200, `{"ok":true}`, "POST", "/api/workspaces/members/set-role", user(bob, `,"role":"editor"`))
	bob.want(200, `{"ok":true}`, "POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, ann.workspace))
	ended := bob.stream(ann.workspace)
	ann.want(200, `{"ok":true}`, "POST", "/api/workspaces/members/remove", user(bob, ""))
	bob.want(403, "Forbidden", "POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":1}`, ann.workspace))
	<-ended
	if bob.resolve(); bob.workspace == ann.workspace {
		t.Error("the removed workspace is still the active one")
	}
	ann.want(404, "Member not found", "POST", "/api/workspaces/members/remove", user(bob, ""))
	eve.want(409, "A workspace needs an owner", "POST", "/api/workspaces/members/remove", fmt.Sprintf(`{"userId":%q}`, eve.user))
}

// stream opens the event stream of a workspace and returns a channel that is closed when it ends.
func (p *person) stream(workspace string) (ended <-chan struct{}) {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", p.url+"/api/sync/events?workspaceId="+workspace, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil || res.StatusCode != 200 {
		p.t.Fatal(res, err)
	}
	p.t.Cleanup(func() { cancel(); res.Body.Close() })
	lines := bufio.NewScanner(res.Body)
	lines.Scan() // it has begun
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines.Scan() {
		}
	}()
	return done
}

// TestWorkspacesAreMadeAtARate creates workspaces at a high rate: the answer is 429 and says when to try again, and
// sign-in, which creates the first one, is not affected.
func TestWorkspacesAreMadeAtARate(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann := r.register(t, "ann@example.test")
	made := 0
	for range 100 {
		res, _, err := ann.send(t.Context(), "POST", "/api/workspaces", `{"name":"Another"}`)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == 200 {
			made++
		} else if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" {
			t.Fatalf("%d, Retry-After %q", res.StatusCode, res.Header.Get("Retry-After"))
		}
	}
	if made == 0 || made > 20 {
		t.Errorf("%d workspaces of 100 were made at once", made)
	}
	ann.want(200, "", "GET", "/api/workspaces", "")
	r.register(t, "bob@example.test").want(200, `"id"`, "POST", "/api/workspaces", `{"name":"Another's"}`)
}
