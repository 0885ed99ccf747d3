// Package trail has the command for the audit trail, and prints it.
package trail

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/audit"
	"or3.chat/cloud/program/console"
)

// Question is the request in the flags of the command.
type Question struct {
	query        audit.Query
	since, until string
	// Most is the largest number of entries to return.
	Most int
}

// Command returns the command with its flags, without its implementation.
func (q *Question) Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show what administrators have done, and what was refused",
		Long: "Show what administrators have done to this instance on the admin pages and at the command line, and what was refused, newest first.\n\n" +
			"--since and --until take a time, such as 2026-11-28 or 2026-11-28T09:30:00Z, or how long ago, such as 12h or 7d. --action takes the\n" +
			"beginning of actions in whole words: workspace.members finds workspace.members.set_role. --actor takes a name, an id of a user or a\n" +
			"kind: super_admin, deployment_admin, workspace_owner, user, anonymous, operator.\n\n" +
			"The newest entries of each kind are kept: 2000 of what was done and 500 of what was refused, none for longer than 400 days.",
		Example: "  or3-cloud audit\n  or3-cloud audit --since 7d --action workspace\n  or3-cloud audit --outcome refused --actor anonymous --json",
	}
	cmd.Flags().StringVar(&q.since, "since", "", "no earlier than this")
	cmd.Flags().StringVar(&q.until, "until", "", "earlier than this")
	cmd.Flags().StringVar(&q.query.Actor, "actor", "", "who: a name, an id or a kind")
	cmd.Flags().StringVar(&q.query.Action, "action", "", "what: the beginning of an action")
	cmd.Flags().StringVar(&q.query.WorkspaceID, "workspace", "", "where: the id of a workspace")
	cmd.Flags().StringVar((*string)(&q.query.Outcome), "outcome", "", "ok or refused")
	cmd.Flags().IntVar(&q.Most, "limit", 100, "how many entries at most")
	return cmd
}

// Query returns the query. An error is a mistake on the command line.
func (q *Question) Query(now time.Time) (query audit.Query, err error) {
	query = q.query
	if query.Since, err = parseMoment("--since", q.since, now); err != nil {
		return query, err
	}
	if query.Until, err = parseMoment("--until", q.until, now); err != nil {
		return query, err
	}
	switch query.Outcome {
	case audit.Any, audit.Done, audit.Refused:
	default:
		return query, fmt.Errorf("--outcome takes ok or refused, not %q", query.Outcome)
	}
	if q.Most < 1 {
		return query, errors.New("--limit takes a number of at least 1")
	}
	return query, nil
}

// Write prints entries.
func Write(w io.Writer, entries []audit.Entry) {
	table := console.NewTable(w, "WHEN", "WHO", "FROM", "WHAT", "ON", "OUTCOME")
	for _, e := range entries {
		table.Row(e.At.Local().Format("2006-01-02 15:04:05 MST"), who(e.Actor), e.Address, e.Action, on(e.Target), outcome(e))
	}
	_ = table.Flush() // the terminal is gone
}

func who(a audit.Actor) string { return strings.TrimSpace(string(a.Kind) + " " + cmp.Or(a.Name, a.ID)) }

func on(t audit.Target) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"workspace", t.WorkspaceID}, {"user", t.UserID}, {"settings", strings.Join(t.Settings, ",")}, {"", t.Object},
	} {
		if p.value != "" {
			parts = append(parts, strings.TrimSpace(p.name+" "+p.value))
		}
	}
	return strings.Join(parts, ", ")
}

func outcome(e audit.Entry) string {
	switch {
	case e.Refusal == "":
		return string(audit.Done)
	case e.Times > 1:
		return fmt.Sprintf("refused: %s (%d times)", e.Refusal, e.Times)
	}
	return "refused: " + string(e.Refusal)
}

// parseMoment reads a time, or how long ago it was; an empty text means none.
func parseMoment(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 15); err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, time.Local); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%s %q is not a time; write it like 2026-11-28, 2026-11-28T09:30:00Z, 12h or 7d", flag, text)
}
