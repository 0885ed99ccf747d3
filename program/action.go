package program

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/actions"
	"or3.chat/cloud/program/answers"
	"or3.chat/cloud/program/changes"
)

// actionCommand groups the commands for actions of providers.
func actionCommand(a app) *cobra.Command {
	var flags settingFlags
	asks := askers{a, &flags}
	list := asks.show(actions.List(), 0, func(ctx context.Context, desk operator.Caller, _ []string) (any, func(io.Writer), error) {
		all, err := operator.DescribeProviders.Ask(ctx, desk, operator.Nothing{})
		return all, func(w io.Writer) { actions.Write(w, all) }, err
	})
	var question actions.Question
	run := asks.complete(question.Run(), 1, func(ctx context.Context, c *asking, args []string) error {
		payload, err := question.Payload()
		if err != nil {
			return usageError{err}
		}
		var out operator.ActionResult
		err = c.reach(ctx, func(desk operator.Caller) (err error) {
			out, err = question.Ask(ctx, desk, args[0], payload, func(what string) error { return c.Confirm(question.Yes, what) })
			return err
		})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { actions.WriteResult(w, args[0], out.Result) })
	})
	cmd := group("action", "Run checks and clean-ups of the providers, as the admin pages do", list, run)
	cmd.Example = "  or3-cloud action list\n  or3-cloud action run sync.check-database"
	flags.bindData(cmd.PersistentFlags().StringVar)
	return cmd
}

// jobCommand groups the commands for background answers.
func jobCommand(a app) *cobra.Command {
	var flags settingFlags
	cmd := group("job", answers.Short, answers.Commands(askers{a, &flags}.show)...)
	cmd.Example = answers.Example
	flags.bindData(cmd.PersistentFlags().StringVar)
	return cmd
}

// logCommand shows the log of a workspace.
func logCommand(a app) *cobra.Command {
	var flags settingFlags
	cmd := askers{a, &flags}.complete(changes.Command(), 1, func(ctx context.Context, c *asking, args []string) error {
		from, most, err := changes.Wanted(args[1:])
		if err != nil {
			return usageError{err}
		}
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		return c.reach(ctx, func(desk operator.Caller) error { return changes.Print(ctx, desk, c.stdout, ws.ID, from, most) })
	})
	flags.bindData(cmd.Flags().StringVar)
	return cmd
}
