package program

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/audit"
	"or3.chat/cloud/operator"
)

func (a app) audit() *cobra.Command {
	flags := &settingFlags{}
	var query audit.Query
	var since, until string
	most := 100
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show what administrators have done, and what was refused",
		Long: "Show what administrators have done to this instance on the admin pages and at the command line, and what was refused, newest first.\n\n" +
			"--since and --until take a time, such as 2026-11-28 or 2026-11-28T09:30:00Z, or how long ago, such as 12h or 7d. --action takes the\n" +
			"beginning of actions in whole words: workspace.members finds workspace.members.set_role. --actor takes a name, an id of a user or a\n" +
			"kind: super_admin, deployment_admin, workspace_owner, user, anonymous, operator.\n\n" +
			"Of each kind of entries the newest are kept: 2000 of what was done and 500 of what was refused, none for longer than 400 days.",
		Example: "  or3-cloud audit\n  or3-cloud audit --since 7d --action workspace\n  or3-cloud audit --outcome refused --actor anonymous --json",
	}
	flags.bindData(cmd.Flags().StringVar)
	cmd.Flags().StringVar(&since, "since", "", "no earlier than this")
	cmd.Flags().StringVar(&until, "until", "", "earlier than this")
	cmd.Flags().StringVar(&query.Actor, "actor", "", "who: a name, an id or a kind")
	cmd.Flags().StringVar(&query.Action, "action", "", "what: the beginning of an action")
	cmd.Flags().StringVar(&query.WorkspaceID, "workspace", "", "on what: the id of a workspace")
	cmd.Flags().StringVar((*string)(&query.Outcome), "outcome", "", "ok or refused")
	cmd.Flags().IntVar(&most, "limit", most, "how many entries at most")
	return askers{a, flags}.complete(cmd, 0, func(ctx context.Context, c *asking, _ []string) (err error) {
		if query.Since, err = parseMoment("--since", since, a.now()); err != nil {
			return err
		}
		if query.Until, err = parseMoment("--until", until, a.now()); err != nil {
			return err
		}
		if query.Outcome != audit.Any && query.Outcome != audit.Done && query.Outcome != audit.Refused {
			return usageError{fmt.Errorf("--outcome takes ok or refused, and not %q", query.Outcome)}
		}
		if most < 1 {
			return usageError{errors.New("--limit takes a number from 1 on")}
		}
		var out audit.Page
		err = c.reach(ctx, func(desk operator.Caller) (err error) {
			out, err = operator.TrailOf(ctx, desk, query, most)
			return err
		})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
			fmt.Fprintln(table, "WHEN\tWHO\tFROM\tWHAT\tON\tOUTCOME")
			for _, e := range out.Entries {
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", e.At.Local().Format("2006-01-02 15:04:05 MST"), who(e.Actor), e.Address, e.Action, on(e.Target), outcome(e))
			}
			_ = table.Flush() // the terminal is gone, then
		})
	})
}

// who is an actor as a person reads it.
func who(a audit.Actor) string {
	return strings.TrimSpace(string(a.Kind) + " " + cmp.Or(a.Name, a.ID))
}

// on is a target as a person reads it.
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

// parseMoment reads a time, or how long ago it was; empty is none.
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
	return time.Time{}, usageError{fmt.Errorf("%s %q is no time; write it like 2026-11-28, 2026-11-28T09:30:00Z, 12h or 7d", flag, text)}
}
