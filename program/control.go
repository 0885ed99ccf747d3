package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"os"
	"strings"
	"time"

	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/vault"
	"or3.chat/cloud/setting"
	"or3.chat/cloud/web"
)

const (
	// handoverPatience is how long a command waits for a data directory whose holder does not answer: a server that is
	// starting or stopping, or another command.
	handoverPatience = 15 * time.Second
	handoverPoll     = 50 * time.Millisecond
)

// desk answers the operator where the data is open: in the server, or in the command's process if there is no server.
func (s settings) desk(data *instance.Instance, addr net.Addr) *operator.Desk {
	return operator.New(data, s.links(addr, data.Options().AccountPage))
}

func (s settings) links(addr net.Addr, accountPage string) operator.Links {
	return operator.Links{PublicURL: s.String(setting.PublicURL), BasePath: s.String(setting.BasePath), Strict: s.Strict(), Addr: addr, AccountPage: accountPage}
}

// startControl opens the control socket, for the operator's use cases and more, and returns a function that closes it.
// The server runs even if no socket can be made, as on some file systems.
func (c serveCommand) startControl(log *slog.Logger, s settings, data *instance.Instance, addr net.Addr, more ...control.Commands) (stop func() error) {
	nothing := func() error { return nil }
	path, err := s.DataPath()
	if err != nil || !s.needsDisk() {
		return nothing
	}
	commands := s.desk(data, addr).Commands()
	for _, m := range more {
		maps.Copy(commands, m)
	}
	server, err := control.Serve(path, commands, log)
	if err != nil {
		log.Warn("the control socket cannot be opened; to run commands such as or3-cloud user, stop the server first", "error", err)
		return nothing
	}
	return server.Close
}

// operate runs a command: in the server that has the data directory open, or otherwise on the data directory itself.
func (a app) operate(ctx context.Context, s settings, run func(operator.Caller) error) error {
	path, err := s.DataPath()
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, handoverPatience)
	defer cancel()
	for {
		client, err := control.Dial(ctx, path)
		if err == nil {
			return run(client)
		}
		if !errors.Is(err, control.ErrNoServer) {
			return err
		}
		if err = a.operateHere(ctx, s, path, run); !errors.Is(err, datadir.ErrInUse) {
			return err
		}
		select {
		case <-time.After(handoverPoll):
		case <-patience.Done():
			return fmt.Errorf("%w; it has not answered for %v", err, handoverPatience)
		}
	}
}

// mustExist refuses a data directory that does not exist: only serve creates one.
func mustExist(path string) error {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no data directory %s; start the server once with or3-cloud serve, or name another directory with --data", path)
	}
	return err
}

// operateHere opens the data directory and its contents, without listening, and runs a command on it.
func (a app) operateHere(ctx context.Context, s settings, path string, run func(operator.Caller) error) (err error) {
	if len(s.problems) > 0 {
		a.report(s.problems)
		return errReported
	}
	if !s.needsDisk() {
		return errors.New("this configuration has no accounts: SSR_AUTH_ENABLED is false, or a provider is missing; see or3-cloud config")
	}
	if err := mustExist(path); err != nil {
		return err
	}
	level, err := logx.ParseLevel(s.String(setting.LogLevel))
	if err != nil {
		return err
	}
	log := logx.New(a.stderr, logx.Options{Level: max(level, slog.LevelWarn)})
	dir, err := datadir.Open(path, datadir.Options{Now: a.now, Rand: a.rand, Strict: s.Strict(), Shared: s.Bool(setting.SharedVolume)})
	if err != nil {
		return err
	}
	held := &vault.Vault{Config: s.Config, Dir: dir}
	defer func() { err = errors.Join(err, held.Close()) }()
	data, err := instance.New(instance.Options{
		AccountPage: s.accountPage(), Registry: s.registry, Config: s.Config, DataDir: path, Production: s.Production(), Strict: s.Strict(),
		Log: log, Now: a.now, Rand: a.rand, Secret: held.Secret, Stores: held,
	})
	if err != nil {
		return err
	}
	if err := data.Open(ctx, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.Close()) }()
	if err := dir.Opened(); err != nil {
		return err
	}
	return run(s.desk(data, configuredAddr(s)).Commands())
}

// accountPage is the path of the page for one-time links, which exists while a server runs, except in a Nuxt host,
// which brings its own client.
func (s settings) accountPage() string {
	if setup.HostOf(".") == setup.HostNuxt {
		return ""
	}
	return web.AccountPage(instance.NewPlan(s.Config, s.registry))
}

// configuredAddr is where a server would listen; nil if only a running server knows.
func configuredAddr(s settings) net.Addr {
	text := s.String(setting.Addr)
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	addr, err := net.ResolveTCPAddr("tcp", text)
	if err != nil || addr.Port == 0 {
		return nil
	}
	if addr.IP == nil { // every address
		addr.IP = net.IPv4zero
	}
	return addr
}
