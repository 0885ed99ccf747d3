package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

func (a users) invite() *cobra.Command {
	in := operator.NewInvite{Role: or3cloud.RoleEditor}
	var workspace, expires string
	cmd := &cobra.Command{
		Use:   "invite EMAIL",
		Short: "Print a link through which someone registers and joins a workspace",
		Long: "Print a link through which someone registers and joins a workspace, in the registration mode invite_only. It works once, for this address\n" +
			"only, and is valid for a week unless --expires or OR3_AUTH_INVITE_TOKEN_TTL_SECONDS says otherwise. Links begin with OR3_PUBLIC_URL.\n\n" +
			"Without --workspace, the only workspace is used, or you are asked which one. Someone who only needs a workspace of their own needs\n" +
			"no invite: use or3-cloud user add --reset-link.",
		Example: "  or3-cloud user invite bob@example.org --workspace Family --role editor --expires 7d",
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "id or name of the workspace")
	cmd.Flags().StringVar((*string)(&in.Role), "role", string(in.Role), "viewer, editor or owner")
	cmd.Flags().StringVar(&expires, "expires", "", "how long the link is valid, such as 7d or 12h")
	return a.complete(cmd, 1, func(ctx context.Context, c *asking, args []string) error {
		in.Email = args[0]
		if workspace == "" && cmd.Flags().Changed("workspace") {
			return usageError{errors.New("--workspace names no workspace; leave it out if there is only one")}
		}
		lifetime, err := parseLifetime(expires)
		if err != nil {
			return usageError{err}
		}
		if !in.Role.Valid() {
			return usageError{fmt.Errorf("%q is not a role; use viewer, editor or owner", in.Role)}
		}
		in.Seconds = int64(lifetime / time.Second)
		chosen, err := c.workspace(ctx, workspace)
		if err != nil {
			return err
		}
		in.WorkspaceID = chosen.ID
		out, err := ask(ctx, c, operator.InviteUser, in)
		if err != nil {
			return err
		}
		return c.print(out, func(w io.Writer) {
			say(w, out.Link, fmt.Sprintf("%s can join %q as %s here, once, until", out.Email, chosen.Name, out.Role))
		})
	})
}

// parseLifetime reads a duration that may also be given in days; empty is 0.
func parseLifetime(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		n = min(max(n, -1), int(operator.LongestInvite/(24*time.Hour))+1) // keeps the product in range
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d < operator.ShortestInvite || d > operator.LongestInvite {
		return 0, fmt.Errorf("--expires %q is not between a minute and 365 days; write it like 7d or 12h", text)
	}
	return d, nil
}

// workspace returns the workspace with an id or name, or the only one. If there are several, it asks which.
func (c *asking) workspace(ctx context.Context, name string) (or3cloud.WorkspaceSummary, error) {
	return c.choose(ctx, operator.WorkspaceQuery{Name: name})
}

func (c *asking) choose(ctx context.Context, query operator.WorkspaceQuery) (or3cloud.WorkspaceSummary, error) {
	found, err := ask(ctx, c, operator.FindWorkspaces, query)
	if err != nil {
		return or3cloud.WorkspaceSummary{}, err
	}
	all, name := found.Workspaces, query.Name
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0 && query.Deleted:
		return or3cloud.WorkspaceSummary{}, fmt.Errorf("no deleted workspace has the id or the name %q", name)
	case len(all) == 0 && name == "":
		return or3cloud.WorkspaceSummary{}, errors.New("there is no workspace yet; one is created when someone signs in for the first time")
	case len(all) == 0:
		return or3cloud.WorkspaceSummary{}, fmt.Errorf("there is no workspace with the id or the name %q", name)
	}
	table := console.NewTable(c.stderr, "", "WORKSPACE", "OWNER", "MEMBERS", "ID")
	for i, ws := range all {
		table.Row(i+1, ws.Name, ws.Owner, ws.Members, ws.ID)
	}
	if err := table.Flush(); err != nil {
		return or3cloud.WorkspaceSummary{}, err
	}
	if !c.IsTerminal() {
		return or3cloud.WorkspaceSummary{}, usageError{errors.New("several workspaces match; name one by its id with --workspace")}
	}
	answer, err := c.Answer("Which one? Type its number: ")
	if err != nil {
		return or3cloud.WorkspaceSummary{}, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil || n < 1 || n > len(all) {
		return or3cloud.WorkspaceSummary{}, fmt.Errorf("%q is not one of the numbers", answer)
	}
	return all[n-1], nil
}
