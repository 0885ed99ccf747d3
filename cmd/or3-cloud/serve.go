package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/oserror"
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
		Long: "Run the server. With nothing set it starts a local instance: it creates ./data, generates secrets into it and prints a link with which the\n" +
			"first account is created. Ctrl-C lets running requests finish; a second Ctrl-C does not.",
		Example: "  or3-cloud serve\n  or3-cloud serve --addr 127.0.0.1:8080 --data /var/lib/or3-cloud --web ./or3-chat/.output/public",
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
	cmd.Flags().StringVar(&c.web, "web", "", "serve the static client in this directory instead of the built-in page")
	return cmd
}

// run serves until ctx ends. Nothing is created before the configuration has been found good and the port is ours.
func (c serveCommand) run(ctx context.Context) error {
	s, err := c.loadServer(c.settingFlags)
	if err != nil {
		return err
	}
	if len(s.problems) > 0 {
		c.report(s.problems)
		return errReported
	}
	log, err := c.logger(s.Config)
	if err != nil {
		return err
	}
	for _, w := range s.warnings {
		log.Warn(w)
	}
	pages, err := web.Handler(c.web, s.Bool(config.SSRAuthEnabled))
	if err != nil {
		return fmt.Errorf("--web: %w", oserror.Explain(err))
	}
	path, err := s.DataPath()
	if err != nil {
		return err
	}
	if s.needsDisk() {
		if err := s.refuseForeignRoot(path); err != nil {
			return err
		}
	}
	vault := &secrets{settings: s}
	fatal := make(chan error, 1)
	memory := membudget.Read()
	memory.Soften()
	h, err := host.New(host.Options{
		Registry: s.registry, Config: s.Config, DataDir: path, Production: s.Production(), Strict: s.Strict(),
		Log: log, Now: c.now, Rand: c.rand, Secret: vault.secret, Stores: vault, Memory: memory, Web: pages, Version: buildVersion(),
		MachineNames: machineNames(s.String(config.Addr)),
		Fatal:        func(err error) { fatal <- err },
	})
	if err != nil {
		return err
	}
	upgrade, ignore := upgradeSignals()
	defer ignore()
	access := socketAccess{mode: s.SocketMode(), group: s.String(config.SocketGroup)}
	ln, err := c.app.open(s.String(config.Addr), access)
	if err != nil {
		return err
	}
	if ln.given {
		log.Info("serving on the socket that was handed over", "addr", ln.Addr().String())
		if !ln.unlink && access != (socketAccess{mode: 0o660}) {
			log.Warn("mode and group of the socket are systemd's; set SocketMode= and SocketGroup= in its unit instead of " +
				config.SocketMode + " and " + config.SocketGroup)
		}
	}
	// The port answers 503 from here on; the store opens behind it. A client that finds a closed port gives up edits.
	serving, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- host.Serve(serving, ln.Listener, h) }()
	end := make(chan ending, 1)
	grace := time.Duration(s.Int(config.ShutdownTimeout)) * time.Millisecond
	go func() { end <- c.watch(serving, log, ln, grace, upgrade, fatal, cancel) }()

	err = c.openStores(serving, log, s, h, vault)
	stopControl := func() error { return nil }
	switch {
	case err == nil:
		stopControl = c.startControl(log, s, h, ln.Addr(), pages != nil && c.web == "")
		c.announce(serving, s, h, ln.Addr())
		vault.opened(log)
		log.Info("memory for requests", "bytes", memory.Budget(), "limit", memory.Bytes, "from", memory.Source)
	case serving.Err() != nil: // told to stop before it was ready, which is no fault
		log.Info("stopped while opening", "cause", err)
		err = nil
	default:
		cancel()
	}
	err = errors.Join(err, <-served, stopControl(), h.Close(), vault.close())
	cancel()
	return (<-end).conclude(ctx, log, err)
}

// openStores opens the data directory and then the host. Without accounts there is nothing to keep, and so no directory.
func (c serveCommand) openStores(ctx context.Context, log *slog.Logger, s settings, h *host.Host, vault *secrets) error {
	if s.needsDisk() {
		path, err := s.DataPath()
		if err != nil {
			return err
		}
		dir, err := datadir.Open(path, datadir.Options{
			Now: c.now, Rand: c.rand, Strict: s.Strict(), Shared: s.Bool(config.SharedVolume), Log: log,
		})
		if err != nil {
			return err
		}
		vault.dir = dir
		if network := datadir.Network(path); network != "" {
			log.Warn("THE DATA DIRECTORY IS ON A NETWORK FILE SYSTEM, on which locks and fsync cannot be relied on: databases can be damaged. Move it to a disk of this machine",
				"dir", path, "type", network)
		}
		if dir.Created() {
			fmt.Fprintf(c.stdout, "Created the data directory %s\n", path)
		}
	}
	return h.Open(ctx)
}

// needsDisk reports whether the host will open providers: that takes accounts, and both of the providers that they need.
func (s settings) needsDisk() bool {
	_, auth := s.registry.Serving(or3cloud.ProviderAuth, s.String(config.AuthProvider))
	_, sync := s.registry.Serving(or3cloud.ProviderSync, s.String(config.SyncProvider))
	return s.Bool(config.SSRAuthEnabled) && auth && sync
}

// announce tells whoever started the server where it is and how to begin.
func (c serveCommand) announce(ctx context.Context, s settings, h *host.Host, addr net.Addr) {
	url := baseURL(s.String(config.PublicURL), addr)
	fmt.Fprintf(c.stdout, "OR3 Cloud %s serves %s\n", buildVersion(), url)
	fragments, err := h.SetupLinks(ctx)
	if err != nil {
		fmt.Fprintf(c.stderr, "or3-cloud: the link for the first account cannot be made: %v\n", err)
	}
	for _, fragment := range fragments {
		fmt.Fprintf(c.stdout, "There is no account yet. Create the first one here, once:\n\n    %s/#%s\n\n", url, fragment)
	}
	if !s.Bool(config.SSRAuthEnabled) {
		fmt.Fprintln(c.stdout, "Accounts are switched off (SSR_AUTH_ENABLED=false): only static files are served.")
	}
}

// machineNames returns the names that the machine goes by: its own, the one that others in the local network see (mDNS), and
// the one that it was told to listen at.
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

// baseURL is where a browser finds the server, without a slash at the end.
func baseURL(public string, addr net.Addr) string {
	if public != "" {
		return public
	}
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://localhost"
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// secrets hands out configured secrets, and outside strict mode generated ones. It owns the data directory.
type secrets struct {
	settings
	dir *datadir.Dir
}

func (v *secrets) secret(name string) (string, error) {
	if text := v.String(name); text != "" {
		return text, nil
	}
	if v.Strict() || v.dir == nil {
		p := config.SecretProblem(name)
		return "", fmt.Errorf("%s %s: %s", p.Variable, p.Fault, p.Fix)
	}
	return v.dir.Secret(name)
}

// Admit and Confirm implement or3cloud.Stores for a directory that is opened later than the host is made.
func (v *secrets) Admit(name string, found or3cloud.StoreFound) (or3cloud.StoreAdmission, error) {
	return v.dir.Admit(name, found)
}

// Confirm implements or3cloud.Stores.
func (v *secrets) Confirm(stamp or3cloud.StoreStamp) error { return v.dir.Confirm(stamp) }

// opened notes that all stores of the directory are open.
func (v *secrets) opened(log *slog.Logger) {
	if v.dir == nil {
		return
	}
	if err := v.dir.Opened(); err != nil {
		log.Warn("it cannot be written down that this data directory is the original; the next start will take it for a copy", "error", err)
	}
}

func (v *secrets) close() error {
	if v.dir == nil {
		return nil
	}
	return v.dir.Close()
}
