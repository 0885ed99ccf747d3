// Package probe asks a running server on this machine for its health, for whatever monitors it: a container's
// health check, the service manager, doctor.
package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"or3.chat/cloud/setting"
)

const (
	// Health is answered while the process lives, under every name and protocol; Ready only while every route is
	// served.
	Health = "/api/health"
	Ready  = "/api/health/ready"

	// patience is how long to wait for an answer. Containers that wait less end the command.
	patience = 10 * time.Second
	// mostAnswer limits what is read of an answer.
	mostAnswer = 64 << 10
)

// Server is one that runs on this machine.
type Server struct {
	// Addr is where it listens, in the form of OR3_ADDR.
	Addr string
	// Domain is a name under which it speaks HTTPS itself; empty if it does not.
	Domain string
}

// Command returns the command that reports whether the configured server is ready. The command takes no arguments.
func Command(out io.Writer, configured func() (Server, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running server whether it is ready",
		Long: "Ask the server that runs with this configuration, on this machine and in this container, whether it serves all requests. The exit code\n" +
			"is 0 if it does, and 1 if it does not, with the reason: it is for images without a shell and curl. Give it what the server gets:\n" +
			"the same environment, the same working directory or --env-file, and the same --addr.",
		Example: "  or3-cloud healthcheck\n  or3-cloud healthcheck --env-file /etc/or3-cloud.env",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := configured()
			if err != nil {
				return err
			}
			if err := s.ready(cmd.Context()); err != nil {
				return fmt.Errorf("the server at %s is not ready: %w", s.Addr, err)
			}
			_, err = fmt.Fprintf(out, "the server at %s is ready\n", s.Addr)
			return err
		},
	}
}

// ready returns nil if the server serves all requests.
func (s Server) ready(ctx context.Context) error {
	if _, port, err := net.SplitHostPort(s.Addr); err == nil && port == "0" {
		return errors.New("its port is chosen by the system and not known here; set a port in " + setting.Addr)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	res, err := s.Ask(ctx, Ready)
	if errors.Is(err, errNoCertificate) {
		return fmt.Errorf("%w; its log says why", err)
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var refusal struct {
		Message string `json:"message"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err == nil && json.Unmarshal(body, &refusal) == nil && refusal.Message != "" {
		return fmt.Errorf("status %d: %s", res.StatusCode, refusal.Message)
	}
	return fmt.Errorf("status %d", res.StatusCode)
}

// Alive returns nil if a server of ours answers. One that has no certificate yet does so by refusing to speak HTTPS.
func (s Server) Alive(ctx context.Context) error {
	res, err := s.Ask(ctx, Health)
	if errors.Is(err, errNoCertificate) {
		return nil
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return IsHealth(res)
}

// errNoCertificate says that a server refuses to speak HTTPS.
var errNoCertificate = errors.New("it has no certificate yet")

// Ask sends a request to the server, without any proxy. Errors do not name the address. It does not check whether
// browsers would trust the certificate: it is known who listens on this machine.
func (s Server) Ask(ctx context.Context, path string) (*http.Response, error) {
	network, targets := targets(s.Addr)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{ServerName: s.Domain, InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			for _, target := range targets {
				if conn, err = new(net.Dialer).DialContext(ctx, network, target); err == nil {
					break
				}
			}
			return conn, err
		},
	}}
	base := "http://localhost"
	if s.Domain != "" {
		base = "https://" + s.Domain
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if alert := (*net.OpError)(nil); s.Domain != "" && errors.As(err, &alert) && alert.Op == "remote error" {
		return nil, errNoCertificate
	}
	return res, Unwrapped(err)
}

// targets are the places to connect to for an address at which a server listens, the likeliest first. One that listens
// everywhere is asked on the loopback interface, by numbers: an image has no list of names.
func targets(addr string) (network string, targets []string) {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		return "unix", []string{path}
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "tcp", []string{addr}
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return "tcp", []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}
	}
	return "tcp", []string{addr}
}

// IsHealth reports whether an answer is that of a server of ours.
func IsHealth(res *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if err != nil {
		return Unwrapped(err)
	}
	if res.StatusCode != http.StatusOK || !strings.Contains(string(body), `"status"`) || !strings.Contains(string(body), `"uptime"`) {
		return fmt.Errorf("status %d, which is not the health of OR3 Cloud", res.StatusCode)
	}
	return nil
}

// Unwrapped is an error without the address, which the caller names.
func Unwrapped(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
