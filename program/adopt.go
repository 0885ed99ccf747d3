package program

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/setting"
)

// adoptCommand is "or3-cloud adopt".
type adoptCommand struct {
	app
	settingFlags
	yes bool
}

func (a app) adopt() *cobra.Command {
	c := adoptCommand{app: a}
	cmd := &cobra.Command{
		Use:   "adopt STORE...",
		Short: "Confirm a store that the server refuses, so that the next start accepts it",
		Long: "Confirm a store that the server refuses. The next start accepts it as it is now, once.\n\n" +
			"The server refuses a store that is missing, empty or of another instance in a data directory that was in use, because the cause is more often a\n" +
			"volume that is not mounted, or a failed copy, than intent. Restore the right store if there is one. If there is none:\n\n" +
			"  a store that is missing or empty    starts empty: what was in it is gone\n" +
			"  a store of another instance,        is accepted like a backup: version counters are raised, and in the store of the\n" +
			"  or one that carries no identity     accounts all sessions, links and recovery codes end\n" +
			"  a store that is damaged             is not accepted; move the file away, and adopt the missing store\n\n" +
			"STORE is sync, accounts, blobs, or all. With all, a data directory whose identity.json is missing or damaged gets a new one. Use it\n" +
			"also after you have restored a snapshot of the whole data directory and want every session to end.\n" +
			"The server must not be running.",
		Example: "  or3-cloud adopt sync\n  or3-cloud adopt all --data /var/lib/or3-cloud",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("name the stores: sync, accounts, blobs, or %s", datadir.EveryStore)}
			}
			return c.run(args)
		},
	}
	c.bindData(cmd.Flags().StringVar)
	console.BindYes(cmd, &c.yes)
	return cmd
}

func (c adoptCommand) run(stores []string) error {
	s, err := c.loadData(c.settingFlags)
	if err != nil {
		return err
	}
	path, err := s.DataPath()
	if err != nil {
		return err
	}
	if err := mustExist(path); err != nil {
		return err
	}
	fmt.Fprintf(c.stderr, "The next start accepts these stores in %s as they are: %s. What was in a store that is missing or empty will be gone.\n",
		path, strings.Join(stores, ", "))
	if err := (console.Console{In: c.stdin, Out: c.stderr}).Confirm(c.yes, "Adopt them"); err != nil {
		return err
	}
	adoption := operator.Adoption{Dir: path, Stores: stores, Strict: s.Strict(), Shared: s.Bool(setting.SharedVolume), Now: c.now, Rand: c.rand}
	if err := adoption.Run(); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "The next start accepts as it is: %s\n", strings.Join(stores, ", "))
	return nil
}
