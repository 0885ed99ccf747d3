package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// ErrFound is returned by the command when it has reported an error.
var ErrFound = errors.New("something is wrong with the installation")

// Command returns the command, which takes no arguments. load reads the configuration to examine.
func Command(out io.Writer, load func(context.Context) (Subject, error)) *cobra.Command {
	asJSON, offline := false, false
	cmd := &cobra.Command{
		Use:     "doctor",
		Aliases: []string{"validate"},
		Short:   "Check the installation and say what is wrong with it, why that matters and how to fix it",
		Long: "Check the installation: configuration, unsafe combinations, keys, providers, data directory, disk, clock and listen address, and\n" +
			"whether the public address and the mail server can be reached. Each line says what is wrong, why that matters and how to fix it.\n" +
			"Nothing is changed. If no server runs, the command listens at its address for a moment, to see what the reverse proxy sends.\n\n" +
			"In a copy of OR3 Chat it checks the configuration of that host, its list of provider modules, and whether their packages are installed.\n\n" +
			"The exit code is 1 if there is an error; with warnings only it is 0. --offline contacts no other machine.",
		Example: "  or3-cloud doctor\n  or3-cloud doctor --offline --env-file /etc/or3-cloud.env\n  or3-cloud doctor --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			of, err := load(ctx)
			if err != nil {
				return err
			}
			of.Offline = offline
			r := Examine(ctx, of)
			if asJSON {
				e := json.NewEncoder(out)
				e.SetIndent("", "  ")
				e.SetEscapeHTML(false)
				err = e.Encode(r)
			} else {
				err = r.Print(out)
			}
			if err == nil && !r.OK {
				return ErrFound
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&offline, "offline", false, "do not contact the public address and the mail server")
	return cmd
}
