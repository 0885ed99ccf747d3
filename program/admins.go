package program

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/shown"
)

// admin are the commands below "or3-cloud user admin".
func (a users) admin() *cobra.Command {
	cmd := group("admin", "Manage the deployment administrators: grant, revoke, list", a.adminGrant(), a.adminRevoke(), a.adminList())
	cmd.Long = "Manage the deployment administrators. A deployment administrator signs in with an account of their own and may use the administration\n" +
		"pages; the account that is created with the one-time link of an empty server, or by the bootstrap settings, is one from the start."
	cmd.Example = "  or3-cloud user admin list\n  or3-cloud user admin grant ann@example.org\n  or3-cloud user admin revoke ann@example.org"
	return cmd
}

func (a users) adminGrant() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "grant EMAIL",
		Short: "Make the owner of an account a deployment administrator",
		Long: "Make the owner of an account a deployment administrator, as of their next request, even if they have never signed in. A deployment\n" +
			"administrator can reach every workspace, so give them a second factor.",
		Example: "  or3-cloud user admin grant ann@example.org",
	}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		out, err := ask(ctx, c, operator.GrantAdmin, operator.AccountName{Name: args[0]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { fmt.Fprintf(w, "%s is a deployment administrator.\n", adminName(out)) })
	})
}

func (a users) adminRevoke() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "revoke EMAIL",
		Short: "Make a deployment administrator an ordinary user again",
		Long: "Make a deployment administrator an ordinary user again, as of their next request. Account, sessions and workspaces stay as they are.\n" +
			"If the account was deleted elsewhere, use the id that or3-cloud user admin list shows.",
		Example: "  or3-cloud user admin revoke ann@example.org",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		fmt.Fprintf(c.stderr, "%s will no longer be a deployment administrator.\n", args[0])
		if err := c.Confirm(yes, "Revoke it"); err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.RevokeAdmin, operator.AccountName{Name: args[0]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { fmt.Fprintf(w, "%s is no longer a deployment administrator.\n", adminName(out)) })
	})
}

func (a users) adminList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the deployment administrators, the oldest grant first", Example: "  or3-cloud user admin list"}
	return a.complete(cmd, 0, func(ctx context.Context, c *asking, _ []string) error {
		out, err := ask(ctx, c, operator.ListAdmins, operator.Nothing{})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) { shown.Admins(w, out.Admins) })
	})
}

// adminName is the name of a deployment administrator.
func adminName(a operator.Admin) string {
	if a.Email == "" {
		return a.UserID
	}
	return a.Email
}
