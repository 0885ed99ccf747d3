package program

import (
	"context"
	"net"

	"github.com/spf13/cobra"

	"or3.chat/cloud/host"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/program/doctor"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/program/owner"
	"or3.chat/cloud/program/version"
	"or3.chat/cloud/setting"
	"or3.chat/cloud/web"
)

// doctor examines the installation.
func (a app) doctor() *cobra.Command {
	var f settingFlags
	var client string
	var host doctor.Host
	cmd := doctor.Command(a.stdout, func(ctx context.Context) (of doctor.Subject, err error) {
		if f.nuxt, err = host.IsNuxt(".", f != settingFlags{} || client != ""); err != nil {
			return of, usageError{err}
		}
		return a.patient(ctx, f, client)
	})
	cmd.Args = noArguments
	f.bind(cmd)
	bindWeb(cmd, &client)
	host.Bind(cmd)
	return cmd
}

// patient is what the doctor examines.
func (a app) patient(ctx context.Context, f settingFlags, client string) (doctor.Subject, error) {
	s, err := a.loadServer(f)
	if err != nil {
		return doctor.Subject{}, err
	}
	if client != "" {
		if _, err := web.Inspect(s.client(client)); err != nil {
			s.problems = append(s.problems, noClient(err))
		}
	}
	of := doctor.Subject{
		Config: s.Config, Registry: s.known, Problems: s.problems, Warnings: s.warnings, Web: client, Now: a.now,
		Listen: func() (net.Listener, error) {
			return handover.Try(s.addresses())
		},
	}
	if f.nuxt {
		of.Nuxt = "."
	}
	if at := version.This(release).CommitTime; at != nil {
		of.Built = *at
	}
	if identify, err := host.Identify(s.Config); err == nil { // otherwise the configuration says what is wrong
		of.Identify = identify
	}
	if !s.needsDisk() {
		return of, nil
	}
	path, err := s.Config.DataPath()
	if err != nil {
		return of, err
	}
	// What the server's user cannot reach is an error, even if root can.
	if s.home, err = owner.Look(path); err != nil {
		of.Problems = append(of.Problems, doctor.Split(setting.DataDir, err))
		return of, nil // there is nothing to examine
	}
	of.DataDir = s.home.Path
	if server, err := control.Dial(ctx, of.DataDir); err == nil {
		of.Running, of.Arrived = true, doctor.AskServer(server)
	}
	return of, nil
}
