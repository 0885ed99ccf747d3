package program

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/stored"
)

// gcCommandLine is "or3-cloud gc".
type gcCommandLine struct {
	app
	settingFlags
	workspace         string
	dryRun, json, yes bool
}

func (a app) gc() *cobra.Command {
	c := gcCommandLine{app: a}
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Delete unused files, or say which would be deleted",
		Long: "Delete stored files that nothing has referred to for the whole retention (OR3_STORAGE_GC_RETENTION_SECONDS). The server itself does\n" +
			"the same once a day (OR3_STORAGE_FS_GC_SECONDS). A file is deleted in two steps: it is moved to the trash, from which it returns if anyone refers to it\n" +
			"or uploads it again, and at least a day later it is deleted permanently.\n\n" +
			"  live       a row, a message, a post or an upload under way names the file\n" +
			"  orphaned   nothing names it; it stays until its retention is over\n" +
			"  trash      it is in the trash and still served\n" +
			"  temporary  an upload that is under way or has failed\n" +
			"  stray      older copies, leftovers of a crash, and files that are not this program's, which it leaves alone\n\n" +
			"At a terminal it shows what would be deleted and asks first, unless --yes is given.\n" +
			"The command works while the server runs and while it does not.",
		Example: "  or3-cloud gc --dry-run\n  or3-cloud gc\n  or3-cloud gc --workspace Family\n  or3-cloud gc --dry-run --json > going.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			if c.workspace == "" && cmd.Flags().Changed("workspace") { // a script with an empty variable does not mean all
				return usageError{errors.New("--workspace names no workspace; leave it out to collect all of them")}
			}
			s, err := c.loadData(c.settingFlags)
			if err != nil {
				return err
			}
			return c.operate(ctx, s, func(desk operator.Caller) error { return c.run(ctx, desk) })
		},
	}
	c.bindData(cmd.Flags().StringVar)
	cmd.Flags().StringVar(&c.workspace, "workspace", "", "collect only the workspace with this id or name")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "list what would be deleted and why, and delete nothing")
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	console.BindYes(cmd, &c.yes)
	return cmd
}

func (c gcCommandLine) run(ctx context.Context, desk operator.Caller) error {
	workspaces, err := operator.ListStored.Ask(ctx, desk, operator.WorkspaceQuery{Name: c.workspace})
	if err != nil {
		return console.Spoken(err)
	}
	ask := console.Console{In: c.stdin, Out: c.stderr}
	if !c.dryRun && !c.yes && ask.IsTerminal() {
		would, err := operator.Collect(ctx, desk, workspaces.WorkspaceIDs, true)
		if err != nil {
			return err
		}
		stored.WriteGoing(c.stderr, would.Going)
		if err := ask.Confirm(c.yes, "Delete them"); err != nil {
			return err
		}
	}
	report, err := operator.Collect(ctx, desk, workspaces.WorkspaceIDs, c.dryRun)
	if err != nil {
		return err
	}
	if c.json {
		return console.PrintJSON(c.stdout, report)
	}
	return stored.WriteCollection(c.stdout, report)
}
