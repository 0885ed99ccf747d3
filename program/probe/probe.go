// Package probe asks a running server of this machine how it is, for whoever watches over it: a container's health check, the
// manager of services, doctor.
package probe

import (
	"context"
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
	// Health is answered while the process lives, under every name and by every protocol; Ready only while every route is served.
	Health = "/api/health"
	Ready  = "/api/health/ready"

	// patience is how long an answer is waited for. Containers that wait less end the command.
	patience = 10 * time.Second
	// mostAnswer bounds what is read of one.
	mostAnswer = 64 << 10
)

// Command returns the command that asks whether the server is ready. addr says where the configuration has it listen. The command takes no
// arguments.
func Command(out io.Writer, addr func() (string, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the running server whether it is ready",
		Long: "Ask the server that runs with this configuration, on this machine and in this container, whether it serves all requests. The exit code\n" +
			"is 0 if it does, and 1 if it does not, with the reason: it is for images that have no shell and no curl. Give it what the server gets:\n" +
			"the same environment, the same working directory or --env-file, and the same --addr.",
		Example: "  or3-cloud healthcheck\n  or3-cloud healthcheck --env-file /etc/or3-cloud.env",
		RunE: func(cmd *cobra.Command, _ []string) error {
			at, err := addr()
			if err != nil {
				return err
			}
			if err := ready(cmd.Context(), at); err != nil {
				return fmt.Errorf("the server at %s is not ready: %w", at, err)
			}
			_, err = fmt.Fprintf(out, "the server at %s is ready\n", at)
			return err
		},
	}
}

// ready returns nil if the server that listens at an address serves all requests.
func ready(ctx context.Context, addr string) error {
	if _, port, err := net.SplitHostPort(addr); err == nil && port == "0" {
		return errors.New("its port is the system's choice, which no one else knows; set a port in " + setting.Addr)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	res, err := Ask(ctx, addr, Ready)
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

// Alive returns nil if a server of ours answers at an address.
func Alive(ctx context.Context, addr string) error {
	res, err := Ask(ctx, addr, Health)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	return IsHealth(res)
}

// Ask sends a request to the server that listens at an address, as OR3_ADDR has it, without any proxy. Errors do not name the address.
func Ask(ctx context.Context, addr, path string) (*http.Response, error) {
	network, targets := targets(addr)
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (conn net.Conn, err error) {
			for _, target := range targets {
				if conn, err = new(net.Dialer).DialContext(ctx, network, target); err == nil {
					break
				}
			}
			return conn, err
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	return res, Unwrapped(err)
}

// targets are where to connect to for an address at which a server listens, the likeliest first. One that listens everywhere is asked on
// the loopback interface, by numbers: an image has no list of names.
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

// Unwrapped is an error without the address, which whoever asks names.
func Unwrapped(err error) error {
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Err
	}
	return err
}
