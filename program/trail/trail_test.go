package trail

import (
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
)

func TestMoments(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"": {}, "12h": now.Add(-12 * time.Hour), "7d": time.Date(2026, 11, 21, 12, 0, 0, 0, time.Local), "0s": now,
		"2026-11-01": time.Date(2026, 11, 1, 0, 0, 0, 0, time.Local), "2026-11-01T10:00:00Z": time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC),
	} {
		if got, err := parseMoment("--since", text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"yesterday", "-1h", "-7d", "7", "d", "99999999d", "2026-13-01"} {
		if got, err := parseMoment("--since", text, now); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestEntriesAreReadable(t *testing.T) {
	var out strings.Builder
	Write(&out, []audit.Entry{
		{
			Actor: audit.Actor{Kind: audit.ActorDeploymentAdmin, ID: "u", Name: "ann@example.org"}, Address: "192.0.2.1", Action: audit.ConfigWrite,
			Target: audit.Target{WorkspaceID: "w", UserID: "bob", Settings: []string{"A", "B"}, Object: "x"},
		},
		{Actor: audit.Actor{Kind: audit.ActorAnonymous}, Action: audit.SignIn, Refusal: or3cloud.CodeUnauthenticated, Times: 7},
	})
	for _, want := range []string{
		"deployment_admin ann@example.org  192.0.2.1  config.write  workspace w, user bob, settings A,B, x  ok",
		"anonymous                                    auth.login                                            refused: unauthenticated (7 times)",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}
