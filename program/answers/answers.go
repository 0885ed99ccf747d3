// Package answers has the commands for background answers, and prints them.
package answers

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/jobs"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/shown"
)

// Short and Example describe the commands.
const (
	Short   = "Show background answers, and stop them"
	Example = "  or3-cloud job list\n  or3-cloud job abort 0b5c7a52-3f1d-4f57-9c5e-2f4f4d1c0a11"
)

// Do sends a request to a desk, and returns the answer and how to print it.
type Do = func(ctx context.Context, desk operator.Caller, args []string) (answer any, words func(io.Writer), err error)

// Commands returns the commands. complete gives one its implementation; it takes as many arguments as its usage names.
func Commands(complete func(cmd *cobra.Command, arguments int, do Do) *cobra.Command) []*cobra.Command {
	return []*cobra.Command{list(complete), abort(complete)}
}

func list(complete func(*cobra.Command, int, Do) *cobra.Command) *cobra.Command {
	var in operator.JobQuery
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List background answers, newest first",
		Long: "List background answers, newest first: who asked for them and where, since when, how many workers have worked on them,\n" +
			"and why they failed. Finished ones are kept for 24 hours, the last 50 of each user. No chat content is shown.\n\n" +
			"--status takes streaming, complete, error or aborted; --user an e-mail address, a part of it or an id.",
		Example: "  or3-cloud job list\n  or3-cloud job list --status error\n  or3-cloud job list --user ann@example.org --json",
	}
	cmd.Flags().StringVar((*string)(&in.Status), "status", "", "only those with this status")
	cmd.Flags().StringVar(&in.User, "user", "", "only those of this user")
	cmd.Flags().StringVar(&in.WorkspaceID, "workspace", "", "only those in the workspace with this id")
	cmd.Flags().IntVar(&in.Limit, "limit", 100, fmt.Sprintf("how many at most, up to %d", jobs.MostListed))
	return complete(cmd, 0, func(ctx context.Context, desk operator.Caller, _ []string) (any, func(io.Writer), error) {
		out, err := operator.ListJobs.Ask(ctx, desk, in)
		if err != nil {
			return nil, nil, err
		}
		counts, err := operator.CountJobs.Ask(ctx, desk, operator.Nothing{})
		return out, func(w io.Writer) { Write(w, out.Jobs, counts) }, err
	})
}

func abort(complete func(*cobra.Command, int, Do) *cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "abort JOB",
		Short: "Stop a background answer",
		Long: "Stop a background answer, no matter who asked for it. What has arrived of it stays in the chat, and the connection to the model server ends\n" +
			"within seconds.",
		Example: "  or3-cloud job abort 0b5c7a52-3f1d-4f57-9c5e-2f4f4d1c0a11",
	}
	return complete(cmd, 1, func(ctx context.Context, desk operator.Caller, args []string) (any, func(io.Writer), error) {
		out, err := operator.AbortJob.Ask(ctx, desk, operator.JobID{JobID: args[0]})
		return out, func(w io.Writer) { fmt.Fprintf(w, "The answer %s is stopped.\n", args[0]) }, err
	})
}

// Write prints answers, and how many there are.
func Write(w io.Writer, all []operator.Job, counts jobs.Counts) {
	table := console.NewTable(w, "JOB", "USER", "WORKSPACE", "MODEL", "STATUS", "STARTED", "TOOK", "ATTEMPTS", "WHY")
	for _, j := range all {
		table.Row(j.ID, cmp.Or(j.Email, j.UserID), j.WorkspaceID, j.Model, status(j), shown.Moment(j.StartedAt), took(j), j.Attempts, j.Cause)
	}
	_ = table.Flush() // the terminal is gone
	fmt.Fprintf(w, "%d under way, %d waiting; in the last 24 hours %d complete, %d failed, %d stopped\n",
		counts.Running, counts.Waiting, counts.Complete, counts.Failed, counts.Aborted)
}

func status(j operator.Job) string {
	if j.Waiting {
		return "waiting"
	}
	return string(j.Status)
}

func took(j operator.Job) string {
	if j.CompletedAt.IsZero() {
		return ""
	}
	return max(j.CompletedAt.Sub(j.StartedAt), 0).Round(time.Second).String()
}
