package program

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// What travels between "or3-cloud workspace free-name" and the instance. The answer is also what --json prints.
type (
	freeNameInput struct {
		WorkspaceID string `json:"workspaceId"`
		Name        string `json:"name"`
	}
	freedName struct {
		WorkspaceID string `json:"workspaceId"`
		Name        string `json:"name"`
		// PK is the row that had the name; empty if there was none.
		PK string `json:"pk"`
	}
)

// freeNameCommands are the commands behind "or3-cloud workspace free-name".
func freeNameCommands(i *instance.Instance) control.Commands {
	return control.Commands{
		"workspace/free-name": operatorCommand(i, func(ctx context.Context, op instance.Operator, in freeNameInput) (freedName, error) {
			freer, ok := op.Rows.(or3cloud.KVNameFreer)
			if !ok {
				return freedName{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured sync provider cannot free names")
			}
			pk, err := freer.FreeKVName(ctx, in.WorkspaceID, in.Name)
			return freedName{WorkspaceID: in.WorkspaceID, Name: in.Name, PK: pk}, err
		}),
	}
}

func (a app) workspaceFreeName(flags *settingFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "free-name WORKSPACE NAME",
		Short: "Free the name of a setting that another row holds",
		Long: "Free the name of a setting (a kv row) that another row holds, so that pushes of the row that should have it are accepted again. The\n" +
			"row that holds it keeps its value and gets another name, on all devices. Rows whose id is kv: and the name do not need this: they\n" +
			"get their name by themselves.",
		Example: "  or3-cloud workspace free-name Family notification_muted_threads",
	}
	return a.newUserCommand(flags, cmd, 2, func(ctx context.Context, c *userCommand, args []string) error {
		ws, err := c.workspace(ctx, args[0])
		if err != nil {
			return err
		}
		var out freedName
		if err := c.call(ctx, "workspace/free-name", freeNameInput{WorkspaceID: ws.ID, Name: args[1]}, &out); err != nil {
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
