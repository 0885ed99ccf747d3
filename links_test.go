package or3cloud

import "testing"

// One-time links lead to the page that the front has for them, and to the client where there is none.
func TestOneTimeLinks(t *testing.T) {
	for _, c := range []struct {
		entrance     Entrance
		link, invite string
	}{
		{Entrance{Base: "https://cloud.example.org", Page: "/account/"}, "https://cloud.example.org/account/#reset=T", "https://cloud.example.org/account/#invite=T"},
		{Entrance{Base: "https://example.org/chat", Page: "/account/"}, "https://example.org/chat/account/#reset=T", "https://example.org/chat/account/#invite=T"},
		{Entrance{Base: "https://cloud.example.org"}, "https://cloud.example.org/#reset=T", "https://cloud.example.org/?invite=T"},
		{Entrance{}, "/#reset=T", "/?invite=T"},
	} {
		if got := c.entrance.Link("reset=T"); got != c.link {
			t.Errorf("%+v: %s, want %s", c.entrance, got, c.link)
		}
		if got := c.entrance.Invite("T"); got != c.invite {
			t.Errorf("%+v: %s, want %s", c.entrance, got, c.invite)
		}
	}
}
