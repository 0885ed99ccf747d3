package program

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/superadmin"
)

func (a app) admin() *cobra.Command {
	var flags settingFlags
	var in operator.SuperAdminPassword
	cmd := superadmin.Command()
	cmd.Args = noArguments
	flags.bindData(cmd.PersistentFlags().StringVar)
	cmd.AddCommand(askers{a, &flags}.complete(superadmin.Password(&in), 0, func(ctx context.Context, c *asking, _ []string) (err error) {
		if in.Password, err = c.NewPassword(); err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.SetSuperAdminPassword, in)
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { superadmin.Write(w, out) })
	}))
	return cmd
}
