package program

import (
	"context"
	"io"
	"net"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"or3.chat/cloud/host"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/program/doctor"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/setting"
)

// doctorCommand looks at the installation.
type doctorCommand struct {
	app
	settingFlags
	json, offline bool
}

func (a app) doctor() *cobra.Command {
	c := doctorCommand{app: a}
	cmd := &cobra.Command{
		Use:     "doctor",
		Aliases: []string{"validate"},
		Short:   "Look at the installation and say what is wrong with it, why that matters and what mends it",
		Long: "Look at the installation: configuration, unsafe combinations, keys, providers, data directory, disk, clock and listen address, and\n" +
			"whether the public address and the mail server can be reached. One line says what is wrong, why that matters and what mends it.\n" +
			"Nothing is changed. While no server runs, its address is listened at for a moment, to see what the reverse proxy sends.\n\n" +
			"The exit code is 1 if there is an error; warnings leave it 0. --offline asks no other machine.",
		Example: "  or3-cloud doctor\n  or3-cloud doctor --offline --env-file /etc/or3-cloud.env\n  or3-cloud doctor --json",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	c.bind(cmd)
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
	cmd.Flags().BoolVar(&c.offline, "offline", false, "do not ask the public address and the mail server")
	return cmd
}

func (c doctorCommand) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	s, err := c.loadServer(c.settingFlags)
	if err != nil {
		return err
	}
	of := doctor.Subject{
		Config: s.Config, Registry: s.registry, Problems: s.problems, Warnings: s.warnings, Offline: c.offline, Now: c.now,
		Listen: func() (net.Listener, error) {
			return handover.Try(s.String(setting.Addr), handover.Access{Mode: s.SocketMode(), Group: s.String(setting.SocketGroup)})
		},
	}
	if at := thisBuild().CommitTime; at != nil {
		of.Built = *at
	}
	if identify, err := host.Identify(s.Config); err == nil { // else the configuration says what is wrong
		of.Identify = identify
	}
	if s.needsDisk() {
		path, err := s.Config.DataPath()
		if err != nil {
			return err
		}
		// What the server's user cannot reach is a fault, whatever root can.
		if s.home, err = workAsOwner(path); err != nil {
			return err
		}
		of.DataDir = s.home.path
		_, err = control.Dial(ctx, of.DataDir)
		of.Running = err == nil
	}
	return c.print(doctor.Examine(ctx, of))
}

func (c doctorCommand) print(r doctor.Report) error {
	print := r.Print
	if c.json {
		print = func(w io.Writer) error { return printJSON(w, r) }
	}
	if err := print(c.stdout); err != nil {
		return err
	}
	if !r.OK {
		return errReported
	}
	return nil
}
