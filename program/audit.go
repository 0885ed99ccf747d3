package program

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"or3.chat/cloud/audit"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/trail"
)

func (a app) audit() *cobra.Command {
	var flags settingFlags
	var question trail.Question
	cmd := question.Command()
	flags.bindData(cmd.Flags().StringVar)
	return askers{a, &flags}.complete(cmd, 0, func(ctx context.Context, c *asking, _ []string) error {
		query, err := question.Query(a.now())
		if err != nil {
			return usageError{err}
		}
		var out audit.Page
		err = c.reach(ctx, func(desk operator.Caller) (err error) {
			out, err = operator.TrailOf(ctx, desk, query, question.Most)
			return err
		})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { trail.Write(w, out.Entries) })
	})
}
