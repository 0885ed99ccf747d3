package program

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host"
	"or3.chat/cloud/host/adminapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/settable"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/program/doctor"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/program/https"
	"or3.chat/cloud/program/monitor"
	"or3.chat/cloud/program/notify"
	"or3.chat/cloud/program/owner"
	"or3.chat/cloud/program/probe"
	"or3.chat/cloud/program/vault"
	"or3.chat/cloud/program/version"
	"or3.chat/cloud/setting"
	"or3.chat/cloud/web"
)

// serveCommand runs the server.
type serveCommand struct {
	app
	settingFlags
	web string
}

func (a app) serve() *cobra.Command {
	c := serveCommand{app: a}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server. With nothing set it starts a local instance: it creates ./data, generates secrets into it and prints a link for creating the\n" +
			"first account. Ctrl-C lets running requests finish; a second Ctrl-C does not.",
		Example: "  or3-cloud serve\n  or3-cloud serve --domain chat.example.org\n  or3-cloud serve --addr 127.0.0.1:8080 --data /var/lib/or3-cloud --web ./or3-chat/.output/public",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signalled, restore := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer restore()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			// The first signal begins the shutdown; by then the next one ends the process in the usual way.
			context.AfterFunc(signalled, func() {
				restore()
				cancel()
			})
			return c.run(ctx)
		},
	}
	c.bind(cmd)
	bindWeb(cmd, &c.web)
	return cmd
}

// bindWeb binds the flag that names the directory of the client.
func bindWeb(cmd *cobra.Command, dir *string) {
	cmd.Flags().StringVar(dir, "web", "", "serve the client in this directory instead of the built-in page: a static build of OR3 Chat, or the public folder of a server build")
}

// client returns what the pages of a server are made of.
func (s settings) client(dir string) web.Options {
	return web.Options{Dir: dir, Config: s.Config, Plan: instance.NewPlan(s.Config, s.registry)}
}

// run serves until ctx ends. Nothing is created before the configuration has been found good and the port is ours.
func (c serveCommand) run(ctx context.Context) error {
	s, journal, err := c.accept(c.settingFlags)
	if err != nil {
		return err
	}
	log := journal.Logger
	if s.keeps() {
		path, err := s.DataPath()
		if err != nil {
			return err
		}
		if err := owner.RefuseRoot(path, s.Bool(setting.SharedVolume)); err != nil {
			return err
		}
	}
	memory := membudget.Read().Soften()
	process := c.process
	process.Environ, process.Orders, process.Now = c.environ, c.stdin, c.now
	upgrades := process.AwaitUpgrades()
	defer upgrades.Stop()
	file, err := settable.New(settable.Options{Registry: s.registry, Sources: c.sources(c.settingFlags), Rand: c.rand})
	if err != nil {
		return err
	}
	program := adminapi.Program{Configuration: file, Restarter: upgrades, About: version.Contents(release, s.registry)}
	i, err := c.turn(s, journal, memory, program)
	if err != nil {
		return err
	}
	self, err := process.Candidacy()
	if err != nil {
		return err
	}
	if self != nil {
		return self.Stand(ctx, i.tryStores)
	}
	at := s.addresses()
	socket, err := process.Open(at)
	if err != nil {
		return err
	}
	if socket.Given() {
		log.Info("serving on the socket that was handed over", "addr", socket.Addr().String())
		if socket.OfManager() && at.Access != (handover.Access{Mode: 0o660}) {
			log.Warn("mode and group of the socket are systemd's; set SocketMode= and SocketGroup= in its unit instead of " +
				setting.SocketMode + " and " + setting.SocketGroup)
		}
	}
	notify.Ready(ctx, log, process.Variable, func(ctx context.Context) error {
		return probe.Server{Addr: listensAt(socket.Addr()), Domain: s.Domain()}.Alive(ctx)
	})
	next := i
	return process.Serve(ctx, log, socket, upgrades, func(ctx context.Context, t *handover.Turn) (handover.Ending, error) {
		i := next
		next = nil
		if i == nil { // a later turn
			var err error
			if i, err = c.turn(s, journal, memory, program); err != nil {
				return handover.Ending{}, errors.Join(err, t.Socket.Close())
			}
		}
		return i.serve(ctx, t)
	})
}

// turn is one turn of the server at its data: an instance with the host in front of it. It is opened and closed once.
type turn struct {
	serveCommand
	settings
	log    *slog.Logger
	memory membudget.Limit
	vault  *vault.Vault
	data   *instance.Instance
	host   *host.Host
	https  *https.Names
	fatal  chan error
}

// turn makes one of the configuration.
func (c serveCommand) turn(s settings, journal *logx.Journal, memory membudget.Limit, program adminapi.Program) (*turn, error) {
	log := journal.Logger
	i := &turn{serveCommand: c, settings: s, log: log, memory: memory, vault: &vault.Vault{Config: s.Config}, fatal: make(chan error, 1)}
	var err error
	if i.https, err = https.New(s.Config, log); err != nil {
		return nil, err
	}
	pages := s.client(c.web)
	pages.Log, pages.Now, pages.SignedIn = log, c.now, i.signedIn
	shown, err := web.New(pages)
	if err != nil {
		return nil, fmt.Errorf("--web: %w", oserror.Explain(err))
	}
	path, err := s.DataPath()
	if err != nil {
		return nil, err
	}
	i.data, err = instance.New(instance.Options{
		AccountPage: web.AccountPage(pages.Plan), Registry: s.registry, Config: s.Config, DataDir: path, Production: s.Production(), Strict: s.Strict(),
		Log: log, Journal: journal, Now: c.now, Rand: c.rand, Secret: i.vault.Secret, Stores: i.vault,
		Fatal: func(err error) { i.fatal <- err },
	})
	if err != nil {
		return nil, err
	}
	o := host.Options{Memory: memory, Program: program, Web: shown, Version: buildVersion(), MachineNames: append(machineNames(s.String(setting.Addr)), i.https.Domains()...)}
	if c.web != "" {
		o.Client, o.WebEndpoints = true, web.Endpoints
	}
	i.host, err = host.New(i.data, o)
	return i, err
}

// signedIn reports whether a request comes from someone with a session. Where that cannot be said, no one is led away.
func (i *turn) signedIn(r *http.Request) bool {
	session, err := i.host.Session(r)
	return err != nil || session.Authenticated
}

// tryStores opens everything that is stored, for a candidate, and returns what closes it.
func (i *turn) tryStores(ctx context.Context) (stop func() error, err error) {
	stop = func() error { return errors.Join(i.host.Close(), i.vault.Close()) }
	if err := i.openStores(ctx); err != nil {
		return stop, err
	}
	i.vault.Opened(i.log)
	return stop, nil
}

// serve serves in a turn until ctx ends or there is another reason, which it returns with what went wrong while
// everything was closed. If there is a candidate, it may open the data first, and if it can, it is the reason.
func (i *turn) serve(ctx context.Context, t *handover.Turn) (handover.Ending, error) {
	// The port answers 503 from here on; the store opens behind it. A client that finds a closed port gives up edits.
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	addr := t.Socket.Addr()
	served := make(chan error, 1)
	site := i.https.Open(t.Socket)
	defer monitor.Publish(i.log, i.host.Measured(), i.Config, buildVersion())()
	go func() {
		served <- site.Serve(serving, func(ctx context.Context, ln net.Listener) error { return host.Serve(ctx, ln, i.host) })
	}()
	if end, over := t.Yield(serving, i.log); over {
		cancel()
		return end, errors.Join(<-served, i.host.Close())
	}
	end := make(chan handover.Ending, 1)
	grace := time.Duration(i.Int(setting.ShutdownTimeout)) * time.Millisecond
	go func() { end <- t.Watch(serving, i.log, grace, i.fatal, cancel) }()

	err := i.openStores(serving)
	stopControl := func() error { return nil }
	switch {
	case err == nil:
		stopControl = i.startControl(i.log, i.settings, i.data, addr, doctor.Commands(i.host.Arrived), monitor.Commands(listensAt(addr), i.host.Load))
		site.Manage()
		i.announce(serving, i.settings, i.data, addr)
		i.vault.Opened(i.log)
		membudget.Release() // what the start needed, migrations most of all
		i.log.Info("memory for requests", "bytes", i.memory.Budget(), "limit", i.memory.Bytes, "from", i.memory.Source)
	case serving.Err() != nil: // told to stop before it was ready, which is not an error
		i.log.Info("stopped while opening", "cause", err)
		err = nil
	default:
		cancel()
	}
	err = errors.Join(err, <-served, stopControl(), i.host.Close(), i.vault.Close())
	cancel()
	return <-end, err
}

// openStores opens the data directory and then the host. Without accounts there is nothing to keep, so no directory.
func (i *turn) openStores(ctx context.Context) error {
	if i.keeps() {
		path, err := i.DataPath()
		if err != nil {
			return err
		}
		dir, err := datadir.Open(path, datadir.Options{
			Now: i.now, Rand: i.rand, Strict: i.Strict(), Shared: i.Bool(setting.SharedVolume), Log: i.log,
		})
		if err != nil {
			return err
		}
		i.vault.Dir = dir
		if network := datadir.Network(path); network != "" {
			i.log.Warn("THE DATA DIRECTORY IS ON A NETWORK FILE SYSTEM, on which locks and fsync cannot be relied on: databases can be damaged. Move it to a disk of this machine",
				"dir", path, "type", network)
		}
		if dir.Created() {
			fmt.Fprintf(i.stdout, "Created the data directory %s\n", path)
		}
	}
	return i.host.Open(ctx)
}

// keeps reports whether a server has a data directory: for what providers store, or for certificates.
func (s settings) keeps() bool { return s.needsDisk() || s.Domain() != "" }

// addresses are where a server listens.
func (s settings) addresses() handover.Addresses {
	at := handover.Addresses{Main: s.String(setting.Addr), Access: handover.Access{Mode: s.SocketMode(), Group: s.String(setting.SocketGroup)}}
	if plain := s.String(setting.HTTPAddr); plain != setting.NoHTTPAddr && s.Domain() != "" {
		at.Plain = plain
	}
	return at
}

// needsDisk reports whether the instance will open providers.
func (s settings) needsDisk() bool {
	if s.partial {
		return instance.NewPartialPlan(s.Config, s.registry).Cloud()
	}
	return instance.NewPlan(s.Config, s.registry).Cloud()
}

// announce tells the person who started the server where it is and how to begin.
func (c serveCommand) announce(ctx context.Context, s settings, data *instance.Instance, addr net.Addr) {
	url := operator.BaseURL(s.String(setting.PublicURL), addr) + s.String(setting.BasePath)
	fmt.Fprintf(c.stdout, "OR3 Cloud %s serves %s\n", buildVersion(), url)
	fragments, err := data.SetupLinks(ctx)
	if err != nil {
		fmt.Fprintf(c.stderr, "or3-cloud: cannot create the link for the first account: %v\n", err)
	}
	entrance := or3cloud.Entrance{Base: url, Page: data.Options().AccountPage}
	for _, fragment := range fragments {
		fmt.Fprintf(c.stdout, "There is no account yet. Create the first one here, once:\n\n    %s\n\n", entrance.Link(fragment))
	}
	if !s.Bool(setting.SSRAuthEnabled) {
		fmt.Fprintln(c.stdout, "Accounts are switched off (SSR_AUTH_ENABLED=false): only static files are served.")
	}
}

// listensAt writes an address as OR3_ADDR has it.
func listensAt(addr net.Addr) string {
	if addr.Network() == "unix" {
		return "unix:" + addr.String()
	}
	return addr.String()
}

// machineNames returns the names that the machine goes by: its own, the one that others in the local network see
// (mDNS), and the one that it was told to listen at.
func machineNames(addr string) []string {
	var names []string
	if name, err := os.Hostname(); err == nil && name != "" {
		short, _, _ := strings.Cut(name, ".")
		names = append(names, name, short+".local")
	}
	if host, _, err := net.SplitHostPort(addr); err == nil {
		names = append(names, host)
	}
	return names
}
