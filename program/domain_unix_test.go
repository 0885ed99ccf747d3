//go:build unix

package program

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/program/https/acmetest"
)

// ports opens two ports and returns them with their descriptors, which keep them from others until the test ends.
func ports(t *testing.T) (addrs [2]string, numbers [2]int, files [2]*os.File) {
	t.Helper()
	for i := range 2 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if files[i], err = ln.(*net.TCPListener).File(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { files[i].Close() })
		addrs[i], numbers[i] = ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port
		ln.Close()
	}
	return addrs, numbers, files
}

// visit sends a request on its own connection and returns the answer without its body.
func visit(c *http.Client, url string) (*http.Response, error) {
	res, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res, err
}

// TestADomainIsServedThroughUpgrades starts the program with a domain, as its own user and as systemd would, and gets a
// certificate. Then the program executes itself again and again, and no request is refused, neither over HTTPS nor over
// plain HTTP.
//
//walk:follows operations.md or3-cloud serve --domain chat.example.org
//walk:follows operations.md OR3_DOMAIN=chat.example.org
//walk:follows README.md or3-cloud serve --domain chat.example.org
func TestADomainIsServedThroughUpgrades(t *testing.T) {
	program := buildProgram(t)
	for _, activated := range []bool{false, true} {
		t.Run(fmt.Sprintf("activated=%t", activated), func(t *testing.T) {
			addrs, numbers, files := ports(t)
			authority := acmetest.Start(t, acmetest.Options{TLS: numbers[0], HTTP: numbers[1]})
			command := `exec "$0" serve --domain chat.example.org --domain cloud.example.org`
			if activated {
				command = `export LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=or3-cloud.socket:http; ` + command
			}
			server := exec.Command("sh", "-c", command, program)
			server.Dir = t.TempDir()
			server.Env = []string{"OR3_LOG_FORMAT=text", manyQuestions, "OR3_ADDR=" + addrs[0], "OR3_HTTP_ADDR=" + addrs[1], "OR3_ACME_CA=" + authority.Directory, "OR3_ACME_ROOTS=" + authority.RootsFile}
			if activated {
				server.ExtraFiles = files[:]
			} else {
				for _, f := range files {
					f.Close()
				}
			}
			var out, log patience.Output
			server.Stdout, server.Stderr = &out, &log
			if err := server.Start(); err != nil {
				t.Fatal(err)
			}
			killAtEnd(t, server, &log)
			secure, plain := authority.Client(addrs[0]), authority.Client(addrs[1])
			const url = "https://cloud.example.org/api/auth/session"
			for _, name := range []string{"chat.example.org", "cloud.example.org"} {
				patience.Until(t, "a certificate for "+name, func() bool {
					res, err := visit(secure, "https://"+name+"/api/auth/session")
					return err == nil && res.StatusCode == http.StatusOK && res.ProtoMajor == 2 && res.Header.Get("Strict-Transport-Security") != ""
				})
			}
			if text := out.String(); !strings.Contains(text, "serves https://chat.example.org\n") {
				t.Errorf("%q", text)
			}
			var served, redirected, away atomic.Int64
			stop, done := make(chan struct{}), make(chan struct{}, 2)
			repeat := func(f func()) {
				defer func() { done <- struct{}{} }()
				for {
					select {
					case <-stop:
						return
					default:
						f()
					}
				}
			}
			go repeat(func() {
				switch res, err := visit(secure, url); {
				case err != nil:
					t.Errorf("HTTPS: %v", err)
				case res.StatusCode == http.StatusOK:
					served.Add(1)
				case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
					away.Add(1)
				default:
					t.Errorf("HTTPS: %s", res.Status)
				}
			})
			go repeat(func() {
				switch res, err := visit(plain, "http://cloud.example.org/api/auth/session"); {
				case err != nil:
					t.Errorf("plain HTTP: %v", err)
				case res.StatusCode != http.StatusPermanentRedirect || res.Header.Get("Location") != url:
					t.Errorf("plain HTTP: %s, to %q", res.Status, res.Header.Get("Location"))
				default:
					redirected.Add(1)
				}
			})
			const upgrades = 3
			for n := range upgrades {
				if err := server.Process.Signal(syscall.SIGUSR2); err != nil {
					t.Fatal(err)
				}
				patience.Until(t, "the next program", func() bool { return strings.Count(log.String(), "msg=ready") == n+2 })
			}
			before := [2]int64{served.Load(), redirected.Load()}
			patience.Until(t, "requests after the upgrades", func() bool { return served.Load() > before[0] && redirected.Load() > before[1] })
			close(stop)
			<-done
			<-done
			t.Logf("%d served, %d away, %d redirected", served.Load(), away.Load(), redirected.Load())
			if n := strings.Count(log.String(), "a certificate was obtained"); n != 2 {
				t.Errorf("%d certificates were obtained; an upgrade needs none", n)
			}
			keys, err := filepath.Glob(filepath.Join(server.Dir, "data", "certificates", "certificates", "*", "*", "*.key"))
			if err != nil || len(keys) != 2 {
				t.Errorf("%q, %v", keys, err)
			}
			if err := server.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := server.Wait(); err != nil {
				t.Error(err)
			}
			for _, addr := range addrs {
				if conn, err := net.Dial("tcp", addr); err == nil && !activated {
					conn.Close()
					t.Errorf("%s is open after the end", addr)
				}
			}
		})
	}
}

// TestWhatKeepsADomainFromBeingServedIsSaid starts with addresses that are not available.
func TestWhatKeepsADomainFromBeingServedIsSaid(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"--addr", "127.0.0.1:0", "OR3_HTTP_ADDR=" + taken.Addr().String()}, []string{taken.Addr().String(), "in use", "OR3_HTTP_ADDR"}},
		{[]string{"--addr", "unix:/tmp/or3.sock"}, []string{"is a Unix socket", "leave OR3_DOMAIN out"}},
		{[]string{"--domain", "nas.local"}, []string{"nas.local", "in no public DNS"}},
	} {
		var stdout, stderr bytes.Buffer
		a := newApp(registerProviders)
		a.stdout, a.stderr, a.environ = &stdout, &stderr, []string{"OR3_DATA_DIR=" + filepath.Join(t.TempDir(), "data")}
		args := []string{"serve", "--domain", "chat.example.org"}
		for _, arg := range c.args {
			if strings.HasPrefix(arg, "OR3_") {
				a.environ = append(a.environ, arg)
				continue
			}
			args = append(args, arg)
		}
		if code := a.main(args); code != 1 {
			t.Errorf("%q ends with %d", args, code)
		}
		for _, want := range c.want {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%q: %q is not in %s", args, want, &stderr)
			}
		}
	}
}
