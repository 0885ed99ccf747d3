package host

import (
	"strings"
	"sync"
	"testing"

	or3cloud "or3.chat/cloud"
)

// notifications returns the payloads of a user's notifications from the server.
func (g *guestHouse) notifications(user string) (out []string) {
	g.t.Helper()
	_, err := g.store.Pull(g.t.Context(), or3cloud.PullRequest{Scope: or3cloud.Scope{WorkspaceID: g.ws}, UserID: user, Limit: 1000},
		func(c *or3cloud.Change) error {
			if c.Table == or3cloud.TableNotifications {
				out = append(out, string(c.Payload))
			}
			return nil
		})
	if err != nil {
		g.t.Fatal(err)
	}
	return out
}

func (g *guestHouse) member(name string, role or3cloud.Role) (user string) {
	g.t.Helper()
	user, err := g.store.GetOrCreateUser(g.t.Context(), or3cloud.ExternalIdentity{Provider: "auth", ProviderUserID: name})
	if err == nil {
		err = g.store.SetMemberRole(g.t.Context(), g.ws, user, role)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return user
}

// The page of a guest who has just registered sends several requests at once: every owner is told once, and no one
// else.
func TestOwnersHearOfANewMember(t *testing.T) {
	g := newGuestHouse(t, nil)
	second, editor := g.member("second", or3cloud.RoleOwner), g.member("editor", or3cloud.RoleEditor)
	token := g.invite("ann")
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() { g.session("ann", withHeader(token)) })
	}
	wg.Wait()
	ann := g.member("ann", or3cloud.RoleEditor)
	for user, want := range map[string]int{g.owner: 1, second: 1, editor: 0, ann: 0} {
		got := g.notifications(user)
		if len(got) != want {
			t.Errorf("%s was told %d times: %s", user, len(got), got)
		}
		for _, text := range got {
			if !strings.Contains(text, `"type":"workspace.member.joined","title":"New member","body":"ann@Example.test has accepted an invite to this workspace."`) {
				t.Error(text)
			}
		}
	}
	g.session("ben", withHeader(g.invite("ben")))
	if got := g.notifications(g.owner); len(got) != 2 {
		t.Errorf("of the next member: %s", got)
	}
}
