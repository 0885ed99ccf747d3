// Package actions prints the actions of providers on the command line, and reads requests for them.
package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

// List returns the command that lists actions, without its implementation.
func List() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Show the state of the providers, and which actions they have", Example: "  or3-cloud action list\n  or3-cloud action list --json",
	}
}

// Question is the request in the flags and the argument of the command that runs an action.
type Question struct {
	// Workspace is the id or the name of the workspace for the action; empty for none.
	Workspace string
	Yes       bool
	set       []string
}

// Run returns the command that runs an action, with its flags, without its implementation.
func (q *Question) Run() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run ACTION",
		Short: "Run an action, and wait for it to end",
		Long: "Run an action with an id from or3-cloud action list, and wait for it to end. The admin pages offer the same actions. Actions on a\n" +
			"workspace need --workspace. --set gives an action its options, such as retentionDays=90 for collections, to=you@example.org for the test\n" +
			"message, account=ann@example.org to end sessions.",
		Example: "  or3-cloud action run sync.check-database\n  or3-cloud action run sync.gc-tombstones --workspace Family\n" +
			"  or3-cloud action run auth.revoke-sessions --yes\n  or3-cloud action run auth.test-mail --set to=you@example.org",
	}
	cmd.Flags().StringVar(&q.Workspace, "workspace", "", "the workspace for the action, by id or name")
	cmd.Flags().StringArrayVar(&q.set, "set", nil, "an option of the action, as NAME=VALUE; may be repeated")
	console.BindYes(cmd, &q.Yes)
	return cmd
}

// Ask sends the request to a desk. An error of Payload is a mistake on the command line. confirm is called before
// something is lost.
func (q *Question) Ask(ctx context.Context, desk operator.Caller, id string, payload map[string]any, confirm func(string) error) (out operator.ActionResult, err error) {
	all, err := operator.DescribeProviders.Ask(ctx, desk, operator.Nothing{})
	if err != nil {
		return out, err
	}
	kind, action, err := find(all, id)
	if err != nil {
		return out, err
	}
	in := operator.ActionRequest{Kind: kind, ActionID: id, Payload: payload}
	if q.Workspace != "" {
		ids, err := operator.FindWorkspaces.Ask(ctx, desk, operator.WorkspaceQuery{Name: q.Workspace})
		switch n := len(ids.Workspaces); {
		case err != nil:
			return out, err
		case n != 1:
			return out, fmt.Errorf("%d workspaces have the id or the name %q; see or3-cloud workspace list", n, q.Workspace)
		}
		in.WorkspaceID = ids.Workspaces[0].ID
	}
	if action.Confirmation != "" {
		if err := confirm(strings.TrimSuffix(action.Confirmation, "?")); err != nil {
			return out, err
		}
	}
	return operator.RunAction.Ask(ctx, desk, in)
}

// Payload returns the values of --set. Numbers are numbers.
func (q *Question) Payload() (map[string]any, error) {
	payload := map[string]any{}
	for _, text := range q.set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("--set takes NAME=VALUE, not %q", text)
		}
		var number float64
		if json.Unmarshal([]byte(value), &number) == nil {
			payload[name] = number
			continue
		}
		payload[name] = value
	}
	return payload, nil
}

// find returns the action with an id, and its provider.
func find(d operator.Deployment, id string) (kind or3cloud.ProviderKind, found or3cloud.AdminAction, err error) {
	var ids []string
	for kind, p := range d.All {
		for _, a := range p.Actions {
			if a.ID == id {
				return kind, a, nil
			}
			ids = append(ids, a.ID)
		}
	}
	if len(ids) == 0 {
		return "", found, errors.New("the providers have no actions")
	}
	return "", found, fmt.Errorf("no action has the id %q; the actions are %s", id, strings.Join(ids, ", "))
}

// Write prints the state of the providers.
func Write(w io.Writer, d operator.Deployment) {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACTION\tWHAT IT DOES")
	for kind, p := range d.All {
		for _, a := range p.Actions {
			label := a.Label
			if a.Workspace {
				label += " (of a workspace)"
			}
			fmt.Fprintf(table, "%s\t%s\n", a.ID, label)
		}
		for _, warning := range p.Warnings {
			defer fmt.Fprintf(w, "%s: %s: %s\n", kind, warning.Level, warning.Message)
		}
	}
	_ = table.Flush() // the terminal is gone
}

// WriteResult prints the result of an action.
func WriteResult(w io.Writer, id string, result any) {
	text, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		text = fmt.Append(nil, result)
	}
	fmt.Fprintf(w, "%s has ended:\n%s\n", id, text)
}
