package sessions

import (
	"strings"
	"testing"
	"time"
)

// Only the signature of a token is remembered; the time is checked on each use.
func TestVerifiedTokensStillExpire(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now := start
	tokens := NewAccessTokens(func() time.Time { return now }, "secret")
	token, err := tokens.Sign(Identity{AccountID: "account", SessionID: "session"}, start.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		after time.Duration
		valid bool
	}{{0, true}, {59 * time.Second, true}, {time.Minute + ClockSkew, false}, {0, true}} {
		now = start.Add(c.after)
		if got := tokens.Verify(token); (got != nil) != c.valid || got != nil && got.Subject != "account" {
			t.Errorf("after %v: %+v", c.after, got)
		}
	}
	if len(tokens.verified.claims) != 1 {
		t.Errorf("%d tokens are remembered", len(tokens.verified.claims))
	}
	cut := strings.TrimSuffix(token, token[len(token)-1:])
	for range 2 {
		if tokens.Verify(cut) != nil || tokens.Verify(token+"A") != nil {
			t.Error("another text passes for the token")
		}
	}
	if len(tokens.verified.claims) != 1 {
		t.Error("refused tokens are remembered")
	}
}

func TestVerifiedTokensAreBounded(t *testing.T) {
	var v verified
	for i := range 2*maxVerified + 1 {
		v.put([32]byte{byte(i), byte(i >> 8), byte(i >> 16)}, &accessClaims{})
	}
	if n := len(v.claims); n == 0 || n > maxVerified {
		t.Errorf("%d tokens are remembered", n)
	}
}
