package instance

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// busyWorkspace is a workspace with many owners, where some cannot be notified.
type busyWorkspace struct {
	or3cloud.WorkspaceAccessStore
	told []string
	err  error
}

func (c *busyWorkspace) ListMembers(context.Context, string) (out []or3cloud.Member, err error) {
	for i := range 100 {
		out = append(out, or3cloud.Member{UserID: fmt.Sprint("owner ", i), Role: or3cloud.RoleOwner})
	}
	return out, nil
}

func (c *busyWorkspace) Notify(_ context.Context, n or3cloud.Notification) error {
	c.told = append(c.told, n.UserID)
	return c.err
}

// A notice that cannot be written is logged once, and the work for one request is bounded.
func TestANoticeThatCannotBeWrittenIsLogged(t *testing.T) {
	var log bytes.Buffer
	c := &busyWorkspace{err: errors.New("no room")}
	n := notices{notifier: c, members: c, log: slog.New(slog.NewTextHandler(&log, nil))}
	gone, cancel := context.WithCancel(t.Context())
	cancel() // the request is over
	n.joined(gone, "ws", "owner 3", or3cloud.ExternalIdentity{Email: "ann@example.test"}, "hash")
	if len(c.told) != mostOwners || strings.Contains(fmt.Sprint(c.told), "owner 3 ") {
		t.Errorf("%d were told: %v", len(c.told), c.told)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "level=WARN") || strings.Contains(text, "ann@") {
		t.Errorf("the log: %s", text)
	}
	notices{}.joined(t.Context(), "ws", "ann", or3cloud.ExternalIdentity{}, "hash") // no one can be notified
}
