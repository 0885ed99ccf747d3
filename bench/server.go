package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is a child process that listens on loopback.
type server struct {
	cmd  *exec.Cmd
	addr string
	data string
	log  *os.File
	// exit is the result of the process; it is read after exited.
	exited chan struct{}
	exit   error
	// began is when the process was started, ready when its first answer was complete.
	began, ready time.Time
}

// readyTimeout bounds the wait for the first answer.
const readyTimeout = 30 * time.Second

// buildServer builds the product as it is released.
func buildServer(ctx context.Context, root, out string, overlay string) error {
	args := []string{"build", "-trimpath", "-ldflags=-s -w", "-o", out}
	if overlay != "" {
		args = []string{"build", "-overlay", overlay, "-o", out}
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/or3-cloud")...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.Run()
}

// startServer runs OR3 Cloud on a data directory, without limits and without a line for each request, as the other
// side of the comparison runs too.
func startServer(bin, data string, env ...string) (*server, error) {
	return startServing("", bin, data, env...)
}

// startServing runs OR3 Cloud with a client in a directory; "" is the built-in page.
func startServing(web, bin, data string, env ...string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &server{addr: addr, data: data}
	s.cmd = exec.Command(bin, "serve", "--addr", addr, "--data", data)
	if web != "" {
		s.cmd.Args = append(s.cmd.Args, "--web", web)
	}
	s.cmd.Env = append([]string{"HOME=" + filepath.Dir(data), "OR3_LIMITS_ENABLED=false", "OR3_LOG_LEVEL=warn"}, env...)
	return s, s.start("/api/auth/session")
}

// start starts the process and waits until path is answered 200.
func (s *server) start(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(s.data), 0o700); err != nil {
		return err
	}
	if s.log, err = os.CreateTemp(filepath.Dir(s.data), "log-*.txt"); err != nil {
		return err
	}
	s.cmd.Dir = filepath.Dir(s.data)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	// A benchmark that is killed must not leave servers behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.began = time.Now()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		s.exit = s.cmd.Wait()
		close(s.exited)
	}()
	c := newClient(s.addr)
	defer c.close()
	for deadline := s.began.Add(readyTimeout); ; {
		if _, err = c.do("GET", path, nil); err == nil {
			s.ready = time.Now()
			return nil
		}
		select {
		case <-s.exited:
		case <-time.After(500 * time.Microsecond):
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(s.log.Name())
		s.stop()
		return fmt.Errorf("the server does not answer: %w\n%s", err, text)
	}
}

// stop ends the process and waits for it. It may be called again.
func (s *server) stop() error {
	select {
	case <-s.exited:
		return nil
	default:
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { s.cmd.Process.Kill() })
	defer kill.Stop()
	<-s.exited
	return errors.Join(s.exit, s.log.Close())
}

// processes are the process and those that it has started, and so on.
func (s *server) processes() (pids []int) {
	pids = []int{s.cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, list := range lists {
			text, _ := os.ReadFile(list) // a thread that has ended has no more
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// memory is what the processes hold, and the sum of their highest values since resetPeak, in MB (10^6 bytes).
func (s *server) memory() (now, peak float64, err error) {
	for _, pid := range s.processes() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, 0, err
		}
		field := func(name string) float64 {
			_, rest, _ := strings.Cut(string(text), name+":")
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb * 1024 / 1e6
		}
		now, peak = now+field("VmRSS"), peak+field("VmHWM")
	}
	return now, peak, nil
}

// cpu is how long the processes have had a processor.
func (s *server) cpu() (total time.Duration) {
	for _, pid := range s.processes() {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
		for _, task := range tasks {
			text, _ := os.ReadFile(task) // a thread that has ended has no more
			var ns int64
			fmt.Sscan(string(text), &ns)
			total += time.Duration(ns)
		}
	}
	return total
}

// resetPeak makes the kernel forget the highest values.
func (s *server) resetPeak() (err error) {
	for _, pid := range s.processes() {
		err = errors.Join(err, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0))
	}
	return err
}

// freeAddr returns a loopback address that nobody listens on.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
