package program

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/answers"
	"or3.chat/cloud/program/console"
)

// asking is a running command that sends requests to the instance and prints the answers.
type asking struct {
	app
	*settingFlags
	console.Console
	json     bool
	settings *settings // after the first call
}

// askers are commands that send requests to the instance. They share flags.
type askers struct {
	app
	flags *settingFlags
}

// complete completes a command: its usage names its arguments, of which the one in brackets is optional. It has --json.
func (a askers) complete(cmd *cobra.Command, arguments int, run func(context.Context, *asking, []string) error) *cobra.Command {
	c := &asking{app: a.app, settingFlags: a.flags, Console: console.Console{In: a.stdin, Out: a.stderr}}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if n := len(args) - arguments; n != 0 && (n != 1 || !strings.HasSuffix(cmd.Use, "]")) {
			return usageError{fmt.Errorf("got %d arguments instead of %d; the usage is: %s", len(args), arguments, cmd.UseLine())}
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), c, args) }
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

// show completes a command that sends one request, and says how to print the answer.
func (a askers) show(cmd *cobra.Command, arguments int, do answers.Do) *cobra.Command {
	return a.complete(cmd, arguments, func(ctx context.Context, c *asking, args []string) (err error) {
		var out any
		var words func(io.Writer)
		if err = c.reach(ctx, func(desk operator.Caller) error { out, words, err = do(ctx, desk, args); return err }); err != nil {
			return err
		}
		return c.print(out, words)
	})
}

// ask sends a request to the instance.
func ask[Q, A any](ctx context.Context, c *asking, what operator.UseCase[Q, A], question Q) (answer A, err error) {
	err = c.reach(ctx, func(desk operator.Caller) error {
		answer, err = what.Ask(ctx, desk, question)
		return err
	})
	return answer, err
}

// reach runs something that sends requests to the instance, perhaps several.
func (c *asking) reach(ctx context.Context, run func(operator.Caller) error) error {
	if c.settings == nil {
		s, err := c.loadData(*c.settingFlags)
		if err != nil {
			return err
		}
		c.settings = &s
	}
	return console.Spoken(c.operate(ctx, *c.settings, run))
}

// print writes an answer, as JSON or in words.
func (c *asking) print(answer any, words func(io.Writer)) error {
	if !c.json {
		words(c.stdout)
		return nil
	}
	return console.PrintJSON(c.stdout, answer)
}

// act runs a command whose answer is only that it is done.
func act[Q any](ctx context.Context, c *asking, what operator.UseCase[Q, operator.Done], question Q, format string, args ...any) error {
	out, err := ask(ctx, c, what, question)
	if err != nil {
		return err
	}
	return c.print(out, func(w io.Writer) { fmt.Fprintf(w, format, args...) })
}
