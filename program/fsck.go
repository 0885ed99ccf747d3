package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/stored"
)

// checkFile is in the data directory and remembers a check that was interrupted.
const checkFile = "fsck.json"

// fsckCommandLine is "or3-cloud fsck".
type fsckCommandLine struct {
	app
	settingFlags
	workspace                 string
	rate                      int
	quarantine, restart, json bool
}

func (a app) fsck() *cobra.Command {
	c := fsckCommandLine{app: a}
	cmd := &cobra.Command{
		Use:   "fsck",
		Short: "Read the databases and all stored files back and report what is damaged, missing, corrupt or orphaned",
		Long: "Read every page of the databases, then all stored files, compare them with their checksums and hashes, and look for the file of every row that\n" +
			"names one.\n\n" +
			"  damaged     the disk has changed a database; the workspaces with unreadable rows are listed. Restore a backup\n" +
			"  missing     a row or message names the file, but it is not there: take it from a backup, or attach it again\n" +
			"  corrupt     the disk has changed the file: attach it again, or take it from a backup; the next upload replaces it\n" +
			"  unreadable  the disk cannot read the file: check the disk\n" +
			"  orphaned    nothing names the file: this is not an error; the file is deleted when its retention is over\n\n" +
			"The command works while the server runs and while it does not. An interrupted check continues where it was. The exit code is 0\n" +
			"when everything is as it should be, 1 when something is damaged, missing, corrupt or unreadable, and 2 for a mistake on the command line.",
		Example: "  or3-cloud fsck\n  or3-cloud fsck --rate 20 --quarantine\n  or3-cloud fsck --workspace Family\n  or3-cloud fsck --json > report.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			return c.run(ctx)
		},
	}
	c.bindData(cmd.Flags().StringVar)
	cmd.Flags().StringVar(&c.workspace, "workspace", "", "check only the files of the workspace with this id or name")
	cmd.Flags().IntVar(&c.rate, "rate", 0, "read at most this many MB per second (default: as fast as the disk)")
	cmd.Flags().BoolVar(&c.quarantine, "quarantine", false, "move corrupt files into the folder quarantine beside the others; nothing is deleted")
	cmd.Flags().BoolVar(&c.restart, "restart", false, "start over although an earlier check was interrupted")
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	return cmd
}

func (c fsckCommandLine) run(ctx context.Context) error {
	if c.rate < 0 {
		return usageError{errors.New("--rate takes a number of MB per second")}
	}
	s, err := c.loadData(c.settingFlags)
	if err != nil {
		return err
	}
	dir, err := s.DataPath()
	if err != nil {
		return err
	}
	file := filepath.Join(dir, checkFile)
	check := operator.NewCheck(c.now(), c.workspace)
	if !c.restart {
		var ok bool
		if check, ok, err = check.Resume(file); err != nil {
			return err
		}
		if ok {
			fmt.Fprintf(c.stderr, "Continuing the interrupted check; it began %s. To start over: or3-cloud fsck --restart\n",
				check.Started.Format(time.DateTime+" MST"))
		}
	}
	progress := console.Progress{Out: c.stderr}
	err = c.operate(ctx, s, func(desk operator.Caller) error {
		defer progress.End()
		return check.Run(ctx, desk, file, operator.CheckOptions{Rate: int64(c.rate) * 1e6, Quarantine: c.quarantine, Progress: progress.Show})
	})
	if ctx.Err() != nil {
		return errors.New("interrupted; the next or3-cloud fsck continues from here")
	}
	if err != nil && len(check.Faults) > 0 {
		// The effect of a damaged database on the check of the files is not news.
		fmt.Fprintf(c.stderr, "or3-cloud: the files were not checked: %v\n", console.Spoken(err))
		err = nil
	}
	if err != nil {
		return console.Spoken(err)
	}
	report := check.Report()
	if c.json {
		err = console.PrintJSON(c.stdout, report)
	} else {
		stored.WriteCheck(c.stdout, report)
	}
	if err != nil {
		return err
	}
	if !report.OK {
		return errReported
	}
	return nil
}
