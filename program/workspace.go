package program

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/shown"
)

// workspaces are the commands below "or3-cloud workspace".
type workspaces struct{ askers }

func (a app) workspace() *cobra.Command {
	flags := &settingFlags{}
	cmd := &cobra.Command{
		Use:   "workspace",
		Short: "Manage workspaces: list, create, delete and restore them, their members, roles and invites",
		Long: "Manage workspaces. A workspace is named by its id or by its name; if several have the name, you are asked which one.\n" +
			"A person is named by the e-mail address or the id of the account.\n\n" +
			"Roles: an owner may do everything, including members and deletion; an editor writes; a viewer reads.\n\n" +
			"The commands work while the server runs and while it does not, as those of or3-cloud user do. The exit code is 0 on success, 1 if\n" +
			"the instance refused and 2 for a mistake on the command line.",
		Example: "  or3-cloud workspace list\n  or3-cloud workspace members list Family\n  or3-cloud workspace members role Family bob@example.org owner",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	flags.bindData(cmd.PersistentFlags().StringVar)
	workspaces := workspaces{askers{a, flags}}
	cmd.AddCommand(workspaces.list(), workspaces.create(), workspaces.delete(), workspaces.restore(), workspaces.members(), workspaces.invites(), workspaces.notify(),
		workspaces.freeName())
	return cmd
}

// complete is that of askers, for commands whose first argument names a workspace. A script whose variable is empty
// means none, and not the only one there is.
func (a workspaces) complete(cmd *cobra.Command, arguments int, run func(context.Context, *asking, []string) error) *cobra.Command {
	cmd = a.askers.complete(cmd, arguments, run)
	counted := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := counted(cmd, args); err != nil || len(args) == 0 || args[0] != "" {
			return err
		}
		return usageError{errors.New("WORKSPACE names no workspace; give an id or a name of or3-cloud workspace list")}
	}
	return cmd
}

func (a workspaces) list() *cobra.Command {
	var deleted bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the workspaces, the oldest first",
		Long:    "List the workspaces, oldest first, or with --deleted those that were deleted, newest first.",
		Example: "  or3-cloud workspace list\n  or3-cloud workspace list --deleted",
	}
	cmd.Flags().BoolVar(&deleted, "deleted", false, "list those that were deleted")
	return a.complete(cmd, 0, func(ctx context.Context, c *asking, _ []string) error {
		out, err := ask(ctx, c, operator.FindWorkspaces, operator.WorkspaceQuery{Limit: operator.MaxWorkspaces, Deleted: deleted})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			table := console.NewTable(w, "WORKSPACE", "OWNER", "MEMBERS", "CREATED", "ID")
			for _, ws := range out.Workspaces {
				table.Row(ws.Name, ws.Owner, ws.Members, shown.Moment(ws.CreatedAt), ws.ID)
			}
			_ = table.Flush() // the terminal is gone
		})
	})
}

func (a workspaces) create() *cobra.Command {
	var in operator.NewWorkspace
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Create a workspace for an owner",
		Long: "Create a workspace for an owner, who needs an account. It shows up among the workspaces of the owner at once, and counts as theirs.\n" +
			"Everyone gets a workspace of their own with the first sign-in, so this is for additional ones.",
		Example: "  or3-cloud workspace create Team --owner ann@example.org",
	}
	cmd.Flags().StringVar(&in.Owner, "owner", "", "e-mail address or id of the account that owns it")
	cmd.Flags().StringVar(&in.Description, "description", "", "what it is for")
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		if in.Owner == "" {
			return usageError{errors.New("a workspace needs an owner; name an account with --owner")}
		}
		in.Name = args[0]
		out, err := ask(ctx, c, operator.CreateWorkspace, in)
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "The workspace %q of %s is %s.\n", in.Name, in.Owner, out.WorkspaceID)
		})
	})
}

func (a workspaces) delete() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete WORKSPACE",
		Short: "Delete a workspace, for all its members",
		Long: "Delete a workspace, for all its members. They lose access with the next request, and find themselves in another of their workspaces, or in a\n" +
			"new one, at the next visit. or3-cloud workspace restore undoes it.",
		Example: "  or3-cloud workspace delete Team",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "The workspace %q of %s is deleted. Members who lose it: %d.\n", ws.Name, ws.Owner, ws.Members)
		if err := c.Confirm(yes, "Delete it"); err != nil {
			return err
		}
		return act(ctx, c, operator.DeleteWorkspace, operator.WorkspaceID{WorkspaceID: ws.ID}, "The workspace %q is deleted; its id is %s.\n", ws.Name, ws.ID)
	})
}

func (a workspaces) restore() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore WORKSPACE",
		Short: "Undo the deletion of a workspace",
		Long: "Undo the deletion of a workspace, given by its id or its name in or3-cloud workspace list --deleted. Members and content\n" +
			"are back, except for webhooks and for files whose retention has ended. It cannot be restored after its owners were removed.",
		Example: "  or3-cloud workspace list --deleted\n  or3-cloud workspace restore Team",
	}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.choose(ctx, operator.WorkspaceQuery{Name: args[0], Deleted: true})
		if err != nil {
			return err
		}
		return act(ctx, c, operator.RestoreWorkspace, operator.WorkspaceID{WorkspaceID: ws.ID}, "The workspace %q is restored.\n", ws.Name)
	})
}

// group is a command that only has subcommands.
func group(use, short string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(below...)
	return cmd
}

func (a workspaces) members() *cobra.Command {
	return group("members", "List, add and remove members, and change their roles",
		a.membersList(), a.membersAdd(), a.membersRole(), a.membersRemove())
}

func (a workspaces) membersList() *cobra.Command {
	cmd := &cobra.Command{Use: "list WORKSPACE", Short: "List the members, the oldest first", Example: "  or3-cloud workspace members list Family"}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.ListMembers, operator.WorkspaceID{WorkspaceID: ws.ID})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			table := console.NewTable(w, "E-MAIL", "ROLE", "ID")
			for _, m := range out.Members {
				table.Row(m.Email, m.Role, m.UserID)
			}
			_ = table.Flush() // the terminal is gone
		})
	})
}

// change runs a change about one member and prints what it did.
func (c *asking) change(
	ctx context.Context, what operator.UseCase[operator.Membership, operator.Member], workspace string, in operator.Membership, format string,
) error {
	ws, err := c.workspace(ctx, workspace)
	if err != nil {
		return err
	}
	in.WorkspaceID = ws.ID
	out, err := ask(ctx, c, what, in)
	if err != nil {
		return err
	}
	who := out.Email
	if who == "" {
		who = out.UserID
	}
	return c.print(out, func(w io.Writer) { fmt.Fprintf(w, format, who, ws.Name, out.Role) })
}

// parseRole reads a role from the command line.
func parseRole(text string) (or3cloud.Role, error) {
	role := or3cloud.Role(text)
	if !role.Valid() {
		return "", usageError{fmt.Errorf("%q is not a role; use viewer, editor or owner", text)}
	}
	return role, nil
}

func (a workspaces) membersAdd() *cobra.Command {
	var text string
	cmd := &cobra.Command{
		Use:   "add WORKSPACE EMAIL",
		Short: "Make a person who has an account a member",
		Long: "Make a person who has an account a member. The workspace shows up among theirs at once. For people without an account, use\n" +
			"or3-cloud user invite or or3-cloud user add.",
		Example: "  or3-cloud workspace members add Family bob@example.org --role editor",
	}
	cmd.Flags().StringVar(&text, "role", string(or3cloud.RoleEditor), "viewer, editor or owner")
	return a.complete(cmd, 2, func(ctx context.Context, c *asking, args []string) error {
		role, err := parseRole(text)
		if err != nil {
			return err
		}
		return c.change(ctx, operator.AddMember, args[0], operator.Membership{Name: args[1], Role: role}, "%s is a member of %q as %s.\n")
	})
}

func (a workspaces) membersRole() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "role WORKSPACE EMAIL ROLE",
		Short: "Give a member another role, such as owner",
		Long: "Give a member another role: viewer, editor or owner. A workspace may have several owners and always has one, so before the only owner\n" +
			"steps down, leaves or is deleted, make another member its owner.",
		Example: "  or3-cloud workspace members role Family bob@example.org owner",
	}
	return a.complete(cmd, 3, func(ctx context.Context, c *asking, args []string) error {
		role, err := parseRole(args[2])
		if err != nil {
			return err
		}
		return c.change(ctx, operator.ChangeRole, args[0], operator.Membership{Name: args[1], Role: role}, "%s is in %q as %s.\n")
	})
}

func (a workspaces) membersRemove() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "remove WORKSPACE EMAIL",
		Short: "Remove a member, who then loses access",
		Long: "Remove a member. They lose access with the next request, and their event streams end within two seconds. What they wrote stays in\n" +
			"the workspace, and what their devices hold stays there. The only owner cannot be removed.",
		Example: "  or3-cloud workspace members remove Family bob@example.org",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 2, func(ctx context.Context, c *asking, args []string) error {
		fmt.Fprintf(c.stderr, "%s loses all access to the workspace %s.\n", args[1], args[0])
		if err := c.Confirm(yes, "Remove the member"); err != nil {
			return err
		}
		return c.change(ctx, operator.RemoveMember, args[0], operator.Membership{Name: args[1]}, "%s is no longer a member of %q; the role was %s.\n")
	})
}

func (a workspaces) invites() *cobra.Command {
	return group("invites", "List and revoke the invites that or3-cloud user invite has made", a.invitesList(), a.invitesRevoke())
}

func (a workspaces) invitesList() *cobra.Command {
	cmd := &cobra.Command{Use: "list WORKSPACE", Short: "List the invites, the newest first", Example: "  or3-cloud workspace invites list Family"}
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.ListInvites, operator.WorkspaceID{WorkspaceID: ws.ID})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			table := console.NewTable(w, "E-MAIL", "ROLE", "STATUS", "EXPIRES", "ID")
			for _, i := range out.Invites {
				table.Row(i.Email, i.Role, i.Status, shown.Moment(i.ExpiresAt), i.ID)
			}
			_ = table.Flush() // the terminal is gone
		})
	})
}

func (a workspaces) invitesRevoke() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:     "revoke WORKSPACE ID",
		Short:   "Revoke an invite",
		Long:    "Revoke an invite, with an id from or3-cloud workspace invites list. One that was used stays as it is.",
		Example: "  or3-cloud workspace invites list Family\n  or3-cloud workspace invites revoke Family 0d1c…",
	}
	console.BindYes(cmd, &yes)
	return a.complete(cmd, 2, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		fmt.Fprintf(c.stderr, "The invite %s to the workspace %q becomes invalid.\n", args[1], ws.Name)
		if err := c.Confirm(yes, "Revoke it"); err != nil {
			return err
		}
		return act(ctx, c, operator.RevokeInvite, operator.InviteID{WorkspaceID: ws.ID, InviteID: args[1]}, "The invite %s is revoked.\n", args[1])
	})
}

func (a workspaces) notify() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify WORKSPACE TITLE TEXT",
		Short: "Show the members of a workspace a message",
		Long: "Show the members of a workspace a message, as a notification in OR3 Chat. It appears at once where the client is open, at the next\n" +
			"start elsewhere, and stays until its reader clears it.",
		Example: "  or3-cloud workspace notify Family 'Maintenance tonight' 'The server is down from 22:00 to 23:00. You can go on working.'",
	}
	return a.complete(cmd, 3, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		id, err := uuid.NewRandomFromReader(c.rand)
		if err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.TellMembers, operator.Message{WorkspaceID: ws.ID, ID: id.String(), Title: args[1], Text: args[2]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			fmt.Fprintf(w, "Members of %q who got the message: %d.\n", ws.Name, out.Members)
		})
	})
}

func (a workspaces) freeName() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "free-name WORKSPACE NAME",
		Short: "Free the name of a setting that another row holds",
		Long: "Free the name of a setting (a kv row) that another row holds, so that pushes of the row that should have it are accepted again. The\n" +
			"row that holds it keeps its value and gets another name, on all devices. Rows whose id is kv: and the name do not need this: they\n" +
			"get their name automatically.",
		Example: "  or3-cloud workspace free-name Family notification_muted_threads",
	}
	return a.complete(cmd, 2, func(ctx context.Context, c *asking, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		out, err := ask(ctx, c, operator.FreeName, operator.KVName{WorkspaceID: ws.ID, Name: args[1]})
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			if out.PK == "" {
				fmt.Fprintf(w, "No row of %q holds the name %q.\n", ws.Name, out.Name)
				return
			}
			fmt.Fprintf(w, "The row %q of %q has given up the name %q.\n", out.PK, ws.Name, out.Name)
		})
	})
}
