package https

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/program/https/acmetest"
	"or3.chat/cloud/setting"
)

// server is a site that is served.
type server struct {
	t      *testing.T
	site   *Site
	log    *patience.Output
	client *http.Client // of browsers at the port of HTTPS
	plain  string       // the address for plain HTTP
	end    func()
}

// sockets opens two ports, the second one for plain HTTP.
func sockets(t *testing.T) (*handover.Socket, acmetest.Options) {
	t.Helper()
	var listeners []net.Listener
	for range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, ln)
	}
	_, secure := where(listeners[0])
	_, plain := where(listeners[1])
	return &handover.Socket{Listener: listeners[0], Plain: listeners[1]}, acmetest.Options{TLS: secure, HTTP: plain}
}

// configured is a configuration with an authority and a domain.
func configured(t *testing.T, data string, a *acmetest.Authority, more ...string) *config.Config {
	t.Helper()
	catalogue, err := config.NewCatalogue(&or3cloud.Registry{})
	if err != nil {
		t.Fatal(err)
	}
	environ := append([]string{
		setting.DataDir + "=" + data, setting.Domain + "=chat.test", setting.ACMECA + "=" + a.Directory, setting.ACMERoots + "=" + a.RootsFile,
	}, more...)
	c, problems, _ := config.Load(catalogue, config.Sources{Environ: environ})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return c
}

// serve serves a site until the test or end ends it.
func serve(t *testing.T, socket *handover.Socket, a *acmetest.Authority, c *config.Config, change func(*Names)) *server {
	t.Helper()
	s := &server{t: t, log: &patience.Output{}, client: a.Client(socket.Listener.Addr().String())}
	if socket.Plain != nil {
		s.plain = socket.Plain.Addr().String()
	}
	names, err := New(c, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(names)
	}
	s.site = names.Open(socket)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	hello := front{http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %t", r.Proto, r.Host, r.TLS != nil)
	})}
	go func() {
		served <- s.site.Serve(ctx, func(ctx context.Context, ln net.Listener) error {
			return httpapi.Serve(ctx, ln, hello, httpapi.ServeOptions{Log: names.log, Grace: time.Minute})
		})
	}()
	s.end = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the server:\n%s", s.log)
		}
	})
	t.Cleanup(s.end)
	return s
}

// get sends a request to the HTTPS port and returns the answer with the serial number of the certificate.
func (s *server) get(url string) (body, serial string, err error) {
	res, err := s.client.Get(url)
	if err != nil {
		return "", "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return string(text), res.TLS.PeerCertificates[0].SerialNumber.String(), err
}

// certified waits until a browser trusts the server.
func (s *server) certified() (serial string) {
	s.t.Helper()
	patience.Until(s.t, "a certificate", func() bool {
		body, got, err := s.get("https://chat.test/")
		if err == nil && body != "HTTP/2.0 chat.test true" {
			s.t.Errorf("%q", body)
		}
		serial = got
		return err == nil
	})
	return serial
}

// says waits for a line of the log that contains all of some words, and returns it.
func (s *server) says(words ...string) (line string) {
	s.t.Helper()
	patience.Until(s.t, fmt.Sprintf("%q in the log", words), func() bool {
		for line = range strings.Lines(s.log.String()) {
			has := true
			for _, word := range words {
				has = has && strings.Contains(line, word)
			}
			if has {
				return true
			}
		}
		return false
	})
	return line
}

// TestACertificateIsObtainedAndRenewed gets one with each of the two challenges, and waits for the next one.
func TestACertificateIsObtainedAndRenewed(t *testing.T) {
	for name, challenge := range map[string]string{"http": "http-01", "tls": "tls-alpn-01"} {
		t.Run(name, func(t *testing.T) { // one after the other: within a process, the library identifies a challenge by the domain alone
			socket, o := sockets(t)
			var more []string
			if name == "tls" {
				socket.Plain.Close()
				socket.Plain, more = nil, []string{setting.HTTPAddr + "=" + setting.NoHTTPAddr}
			} else {
				closed, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				_, o.TLS = where(closed)
				closed.Close()
			}
			const lifetime = 8 // a random part of which passes before the renewal
			o.Lifetime = lifetime
			a := acmetest.Start(t, o)
			data := t.TempDir()
			s := serve(t, socket, a, configured(t, data, a, more...), func(n *Names) { n.check = 50 * time.Millisecond })
			s.site.Manage()
			first := s.certified()
			s.says("served key authentication", challenge)
			patience.Until(t, "another certificate", func() bool {
				_, serial, err := s.get("https://chat.test/")
				return err == nil && serial != first
			})
			s.says("the certificate was renewed", "chat.test")
			s.end()
			modes(t, filepath.Join(data, directory))
		})
	}
}

// modes requires that only the server's user can read anything.
func modes(t *testing.T, dir string) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 && (e.IsDir() || !strings.HasSuffix(path, ".lock")) {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasSuffix(path, ".key") {
			keys++
		}
		return nil
	})
	if err != nil || keys == 0 {
		t.Errorf("%d keys, %v", keys, err)
	}
}

// TestOtherNamesAreRefused opens the server under names that are not its own, and without HTTPS.
func TestOtherNamesAreRefused(t *testing.T) {
	socket, o := sockets(t)
	a := acmetest.Start(t, o)
	s := serve(t, socket, a, configured(t, t.TempDir(), a), nil)
	plain := func(host, path string) (status int, to string) {
		t.Helper()
		req, err := http.NewRequest("GET", "http://"+s.plain+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := a.Client(s.plain).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode, res.Header.Get("Location")
	}
	if status, _ := plain("chat.test", "/"); status != http.StatusServiceUnavailable {
		t.Errorf("without a certificate: %d", status)
	}
	s.site.Manage()
	s.certified()
	for _, c := range []struct{ host, path, to string }{
		{"chat.test", "/a%2Fb?c=d", "https://chat.test/a%2Fb?c=d"},
		{"CHAT.test:80", "/", "https://chat.test/"},
		{"evil.example", "//evil.example/", "https://chat.test//evil.example/"},
		{"127.0.0.1", "/.well-known/acme-challenge/x", "https://chat.test/.well-known/acme-challenge/x"},
		{"chat.test", "/.well-known/acme-challenge/x", "https://chat.test/.well-known/acme-challenge/x"},
	} {
		if status, to := plain(c.host, c.path); status != http.StatusPermanentRedirect || to != c.to {
			t.Errorf("%+v: %d, %q", c, status, to)
		}
	}
	asked := strings.Count(a.String(), "new-order")
	for _, name := range []string{"evil.test", "x.chat.test", ""} {
		conn, err := tls.Dial("tcp", socket.Listener.Addr().String(), &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err == nil {
			conn.Close()
			t.Errorf("%q has a certificate", name)
		}
	}
	if n := strings.Count(a.String(), "new-order"); n != asked {
		t.Errorf("the authority was asked for another certificate")
	}
}

// TestACertificateOnTheDiskIsUsedAtOnce starts a second server with the data of a first one, and no authority.
func TestACertificateOnTheDiskIsUsedAtOnce(t *testing.T) {
	socket, o := sockets(t)
	a := acmetest.Start(t, o)
	data := t.TempDir()
	s := serve(t, socket, a, configured(t, data, a), nil)
	s.site.Manage()
	first := s.certified()
	s.end()
	socket, _ = sockets(t)
	s = serve(t, socket, a, configured(t, data, a), nil)
	if _, serial, err := s.get("https://chat.test/"); err != nil || serial != first {
		t.Errorf("%s instead of %s, %v", serial, first, err)
	}
}

func TestRootsThatAreNoneAreRefused(t *testing.T) {
	_, o := sockets(t)
	a := acmetest.Start(t, o)
	file := filepath.Join(t.TempDir(), "roots.pem")
	c := configured(t, t.TempDir(), a, setting.ACMERoots+"="+file)
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), setting.ACMERoots) {
		t.Error(err)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(c, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "there is no certificate in") {
		t.Error(err)
	}
	c = configured(t, t.TempDir(), a, setting.Domain+"=")
	if n, err := New(c, nil); n != nil || err != nil || n.Domains() != nil {
		t.Error(n, err)
	}
}
