package program

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/engine"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/localsocket"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/metrics"
	"or3.chat/cloud/program/monitor"
	"or3.chat/cloud/program/owner"
	"or3.chat/cloud/program/vault"
	"or3.chat/cloud/setting"
)

// engineCommand runs the engine of a data directory, or joins the running one.
type engineCommand struct {
	app
	settingFlags
	attached, loopback bool
}

func (a app) engine() *cobra.Command {
	c := engineCommand{app: a, settingFlags: settingFlags{partial: true}}
	cmd := &cobra.Command{
		Use:   "engine",
		Short: "Serve the providers to another host, such as OR3 Chat with the npm packages",
		Long: "Serve the providers to another host on this machine: OR3 Chat's own server with the packages or3-provider-basic-auth, -sqlite and -fs,\n" +
			"which start this command themselves. It listens on engine.sock in the data directory, which only the directory's owner can open;\n" +
			"with --loopback, and on systems without such sockets, it listens on a port of this machine, with a secret. engine.json in the data directory\n" +
			"contains the address and the secret.\n\n" +
			"A data directory has one engine. A second engine command finds it and keeps it alive; if the engine dies, the command takes its\n" +
			"place. Each prints one line of JSON, as soon as everything is ready.",
		Example: "  or3-cloud engine --data /var/lib/or3-cloud\n  or3-cloud engine --attached",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			context.AfterFunc(ctx, restore) // the second signal ends the process in the usual way
			return c.run(ctx)
		},
	}
	c.bindData(cmd.Flags().StringVar)
	cmd.Flags().BoolVar(&c.attached, "attached", false, "end when standard input closes, once no other command needs the engine")
	cmd.Flags().BoolVar(&c.loopback, "loopback", false, "listen on a port of 127.0.0.1, with a secret")
	return cmd
}

// announcement is what a starter reads from standard output, in one line.
type announcement struct {
	// Socket is short enough for the system. It is valid as long as this process lives.
	Socket  string `json:"socket,omitempty"`
	Address string `json:"address,omitempty"`
	// Place is the file that says the same, and has the secret.
	Place    string         `json:"place"`
	Version  string         `json:"version"`
	Protocol place.Versions `json:"protocol"`
	PID      int            `json:"pid"`
	// Joined says that another process is the engine.
	Joined bool `json:"joined"`
}

func (c engineCommand) run(ctx context.Context) error {
	s, log, err := c.accept(c.settingFlags)
	if err != nil {
		return err
	}
	if !s.needsDisk() {
		return errors.New("there is nothing to serve: SSR_AUTH_ENABLED is false, or none of the configured providers is compiled in; see or3-cloud config")
	}
	path, err := s.DataPath()
	if err != nil {
		return err
	}
	if err := owner.RefuseRoot(path, s.Bool(setting.SharedVolume)); err != nil {
		return err
	}
	// The process that started us, and read our log, may have died while another host needs the engine: a line that
	// no one reads must not end the process, as a write to a broken pipe otherwise would.
	signal.Ignore(syscall.SIGPIPE)
	e := engineRun{engineCommand: c, settings: s, log: log.Logger, path: path, looks: int(handoverPatience / handoverPoll)}
	if c.attached {
		e.orphaned = ending(c.stdin)
	}
	return e.attend(ctx)
}

// ending returns a channel that is closed when there is nothing more to read.
func ending(r io.Reader) <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, r)
		close(ended)
	}()
	return ended
}

// engineRun is one run of the command. The process is the engine, or the guest of one, and may become the other.
type engineRun struct {
	engineCommand
	settings
	log      *slog.Logger
	path     string          // of the data directory
	orphaned <-chan struct{} // closed when our starter is gone; nil if that does not matter
	looks    int             // how often to look for an engine where another process has the data directory
}

// attend makes sure that there is an engine until ctx ends, no one needs it any longer, or it cannot run.
func (e engineRun) attend(ctx context.Context) error {
	waited := 0
	for {
		err := e.serve(ctx)
		if !errors.Is(err, datadir.ErrInUse) {
			return err
		}
		left, joinErr := e.join(ctx)
		switch {
		case left:
			return joinErr
		case joinErr == nil: // the engine has ended; its place is free, or soon will be
			waited = 0
			continue
		case !errors.Is(joinErr, place.ErrAbsent):
			return joinErr
		}
		// The holder of the directory is about to become an engine, or to end, or is not an engine.
		if waited++; waited > e.looks {
			return fmt.Errorf("%w. It is not an engine: a server (or3-cloud serve) and an engine cannot share a data directory", err)
		}
		select {
		case <-time.After(handoverPoll):
		case <-ctx.Done():
			return nil
		case <-e.orphaned:
			return nil
		}
	}
}

// join keeps the engine of the data directory alive until it ends. left says that we left first.
func (e engineRun) join(ctx context.Context) (left bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if e.orphaned != nil {
		go func() {
			select {
			case <-e.orphaned:
				stop()
			case <-ctx.Done():
			}
		}()
	}
	guest, err := place.Join(ctx, e.path, "or3-cloud "+buildVersion())
	if err != nil {
		return ctx.Err() != nil, whileThere(ctx, err)
	}
	defer func() { err = errors.Join(err, guest.Leave()) }()
	e.log.Info("another process is the engine of this data directory", "pid", guest.Hello.PID, "version", guest.Hello.Version)
	withdraw := func() error { return nil }
	defer func() { err = errors.Join(err, withdraw()) }()
	for {
		state, err := guest.Next()
		if err != nil {
			if errors.Is(err, place.ErrAbsent) {
				err = nil
			}
			return ctx.Err() != nil, whileThere(ctx, err)
		}
		if state == place.StateReady {
			if withdraw, err = e.announce(guest.Place, guest.Hello.Version, guest.Hello.Protocol, guest.Hello.PID, true); err != nil {
				return false, err
			}
		}
	}
}

// whileThere is err, or nil if we were told to stop.
func whileThere(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// serve is the engine, if no other process has the data directory: otherwise the error is datadir.ErrInUse.
func (e engineRun) serve(ctx context.Context) (err error) {
	dir, err := datadir.Open(e.path, datadir.Options{
		Now: e.now, Rand: e.rand, Strict: e.Strict(), Shared: e.Bool(setting.SharedVolume), Log: e.log,
	})
	if err != nil {
		return err
	}
	held := &vault.Vault{Config: e.Config, Dir: dir}
	defer func() { err = errors.Join(err, held.Close()) }()
	fatal := make(chan error, 1)
	data, err := instance.New(instance.Options{
		Registry: e.registry, Config: e.Config, DataDir: e.path, Partial: true, Production: e.Production(), Strict: e.Strict(), Log: e.log, Now: e.now,
		Rand: e.rand, Secret: held.Secret, Stores: held, Fatal: func(err error) { fatal <- err },
	})
	if err != nil {
		return err
	}
	ln, err := place.Listen(e.path, e.loopback || runtime.GOOS == "windows")
	if err != nil {
		return fmt.Errorf("the engine cannot listen; --loopback may help: %w", err)
	}
	memory := membudget.Read().Soften()
	front := engine.New(data, engine.Options{Version: buildVersion(), Secret: ln.Secret, Memory: memory})

	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	grace := httpapi.Duration(e.Int(setting.ShutdownTimeout), time.Millisecond)
	go func() { served <- httpapi.Serve(serving, ln, front, httpapi.ServeOptions{Log: e.log, Grace: grace}) }()
	defer func() {
		stop()
		err = errors.Join(err, <-served, front.Close(), ln.Withdraw())
	}()
	if err := front.Open(serving); err != nil {
		return whileThere(serving, err) // told to stop before it was ready, which is not an error
	}
	held.Opened(e.log)
	defer monitor.Publish(e.log, metrics.Of(instance.Measured(data)), e.Config, buildVersion())()
	stopControl := serveCommand{app: e.app}.startControl(e.log, e.settings, data, configuredAddr(e.settings))
	defer func() { err = errors.Join(err, stopControl()) }()
	withdraw, err := e.announce(ln.Place, buildVersion(), front.Spoken(), os.Getpid(), false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, withdraw()) }()
	membudget.Release() // what the start needed
	select {
	case <-ctx.Done():
	case <-e.deserted(ctx, front):
		e.log.Info("no one needs the engine any more")
	case err := <-fatal:
		return fmt.Errorf("a fatal error that only a restart can fix: %w", err)
	}
	return nil
}

// deserted returns a channel that is closed when neither our starter nor any other is left.
func (e engineRun) deserted(ctx context.Context, front *engine.Engine) <-chan struct{} {
	if e.orphaned == nil {
		return nil
	}
	empty := make(chan struct{})
	go func() {
		select {
		case <-e.orphaned:
		case <-ctx.Done():
			return
		}
		select {
		case <-front.Deserted():
			close(empty)
		case <-ctx.Done():
		}
	}()
	return empty
}

// announce tells the starter where the engine is. The socket may be named by a link, which withdraw removes.
func (e engineRun) announce(at place.Place, version string, spoken place.Versions, pid int, joined bool) (withdraw func() error, err error) {
	withdraw = func() error { return nil }
	said := announcement{
		Address: at.Address, Place: place.File(e.path), Version: version, Protocol: spoken, PID: pid, Joined: joined,
	}
	if at.Socket != "" {
		if said.Socket, withdraw, err = localsocket.Shorten(at.Socket); err != nil {
			return nil, err
		}
	}
	line, err := json.Marshal(said)
	if err != nil {
		return nil, errors.Join(err, withdraw())
	}
	fmt.Fprintf(e.stdout, "%s\n", line)
	return withdraw, nil
}
