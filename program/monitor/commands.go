package monitor

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
)

// Options are what the commands need from the program.
type Options struct {
	Out io.Writer
	// Running queries the running server; an error says that there is none.
	Running func(context.Context, func(operator.Caller) error) error
	// Usage makes an error a mistake on the command line, and NoArguments refuses arguments.
	Usage       func(error) error
	NoArguments cobra.PositionalArgs
}

// New returns the commands.
func New(o Options) []*cobra.Command { return []*cobra.Command{o.status(), o.logs(), o.level()} }

func (o Options) status() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the state of the running server",
		Long: "Show the state of the server that runs on this data directory: version, load, memory, disk, what is stored, mail and background answers,\n" +
			"and what needs attention.",
		Example: "  or3-cloud status\n  or3-cloud status --data /var/lib/or3-cloud --json\n  watch -n 5 or3-cloud status",
		Args:    o.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s Status
			err := o.Running(cmd.Context(), func(server operator.Caller) error {
				return server.Call(cmd.Context(), statusName, operator.Nothing{}, &s)
			})
			switch {
			case err != nil:
				return err
			case asJSON:
				return console.PrintJSON(o.Out, s)
			}
			s.Write(o.Out)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (o Options) logs() *cobra.Command {
	l := reader{out: o.Out}
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Show the newest lines of the running server's log",
		Long: "Show the newest lines of the log of the server that runs on this data directory. It keeps them in memory; lines at debug level only while\n" +
			"someone follows the log at that level, even if they are not in its output. None of them contains secrets. Older lines are where the server's\n" +
			"output is collected, such as journalctl or docker logs.",
		Example: "  or3-cloud logs\n  or3-cloud logs --level warn --lines 500\n  or3-cloud logs --follow --level debug\n  or3-cloud logs --json | jq .msg",
		Args:    o.NoArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !slices.Contains(operator.Levels, l.level):
				return o.Usage(noLevel("--level", l.level))
			case l.lines < 1 || l.lines > operator.MostLines:
				return o.Usage(fmt.Errorf("--lines takes a number from 1 to %d", operator.MostLines))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return o.Running(ctx, func(server operator.Caller) error { return l.read(ctx, server) })
		},
	}
	cmd.Flags().StringVar(&l.level, "level", "info", "lowest level of the lines: "+strings.Join(operator.Levels, ", "))
	cmd.Flags().IntVar(&l.lines, "lines", 100, "how many lines at most, the newest ones")
	cmd.Flags().BoolVar(&l.follow, "follow", false, "print new lines as they come, until Ctrl-C")
	cmd.Flags().BoolVar(&l.asJSON, "json", false, "print lines of JSON")
	return cmd
}

func (o Options) level() *cobra.Command {
	return &cobra.Command{
		Use:   "log-level [LEVEL]",
		Short: "Show or change the level of the running server's log",
		Long: "Show the lowest level that the server on this data directory writes to its output, or change it: to debug, info, warn or error.\n" +
			"The change lasts until the server ends; OR3_LOG_LEVEL is the level at its start.",
		Example: "  or3-cloud log-level\n  or3-cloud log-level debug\n  or3-cloud log-level info --data /var/lib/or3-cloud",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !slices.Contains(operator.Levels, args[0]) {
				return o.Usage(noLevel("LEVEL", strings.Join(args, " ")))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			question := operator.LogLevel{Level: strings.Join(args, "")}
			return o.Running(cmd.Context(), func(server operator.Caller) error {
				now, err := operator.SetLogLevel.Ask(cmd.Context(), server, question)
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(o.Out, now.Level)
				return err
			})
		},
	}
}

// noLevel is the mistake of naming a level that does not exist.
func noLevel(what, name string) error {
	return fmt.Errorf("%s takes one of %s, not %q", what, strings.Join(operator.Levels, ", "), name)
}
