package program

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/console"
	"or3.chat/cloud/program/monitor"
)

// watchCommands returns the commands that query a running server.
func watchCommands(a app) []*cobra.Command {
	var flags settingFlags
	commands := monitor.New(monitor.Options{
		Out: a.stdout, Usage: func(err error) error { return usageError{err} }, NoArguments: noArguments,
		Running: func(ctx context.Context, ask func(operator.Caller) error) error {
			return askRunning(ctx, a, flags, ask)
		},
	})
	for _, cmd := range commands {
		flags.bindData(cmd.Flags().StringVar)
	}
	return commands
}

// askRunning queries the server that runs on the data directory.
func askRunning(ctx context.Context, a app, flags settingFlags, ask func(operator.Caller) error) error {
	s, err := a.loadData(flags)
	if err != nil {
		return err
	}
	path, err := s.DataPath()
	if err != nil {
		return err
	}
	server, err := control.Dial(ctx, path)
	if errors.Is(err, control.ErrNoServer) {
		return fmt.Errorf("no server is running on the data directory %s; start one with or3-cloud serve, or name another directory with --data", path)
	}
	if err != nil {
		return err
	}
	return console.Spoken(ask(server))
}
