// Package process runs the servers of the comparison as children, and reads what the kernel counts of them.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"or3.chat/cloud/bench/internal/client"
)

// Server is a child process that listens on loopback.
type Server struct {
	Cmd  *exec.Cmd
	Addr string
	Data string
	// Patience bounds the wait for the first answer; 0 is half a minute.
	Patience time.Duration
	// Began is when the process was started, Ready when its first answer was complete.
	Began, Ready time.Time

	log *os.File
	// exit is the result of the process; it is read after exited.
	exited chan struct{}
	exit   error
}

// Build builds the product as it is released.
func Build(ctx context.Context, root, out string) error {
	return build(ctx, root, "-trimpath", "-ldflags=-s -w", "-o", out)
}

// BuildWith builds the product with a file of its main package that says other things, or is not there otherwise. The
// product itself is not touched.
func BuildWith(ctx context.Context, root, out, name, text string) error {
	file, overlay := out+"-"+name, out+"-overlay.json"
	replace, err := json.Marshal(map[string]any{"Replace": map[string]any{filepath.Join(root, "cmd/or3-cloud", name): file}})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), os.WriteFile(overlay, replace, 0o600)); err != nil {
		return err
	}
	return build(ctx, root, "-trimpath", "-overlay", overlay, "-o", out)
}

func build(ctx context.Context, root string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", slices.Concat([]string{"build"}, args, []string{"./cmd/or3-cloud"})...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.Run()
}

// Cloud is an instance of OR3 Cloud to start: without limits and without a log line for each request, like the other
// side of the comparison.
type Cloud struct {
	Binary, Data string
	Web          string // directory of a client; "" is the built-in page
	Env          []string
	Patience     time.Duration // see Server
}

// Start starts it.
func (c Cloud) Start() (*Server, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	s := &Server{Addr: addr, Data: c.Data, Patience: c.Patience}
	s.Cmd = exec.Command(c.Binary, "serve", "--addr", addr, "--data", c.Data)
	if c.Web != "" {
		s.Cmd.Args = append(s.Cmd.Args, "--web", c.Web)
	}
	s.Cmd.Env = append([]string{"HOME=" + filepath.Dir(c.Data), "OR3_LIMITS_ENABLED=false", "OR3_LOG_LEVEL=warn"}, c.Env...)
	return s, s.Start("/api/auth/session")
}

// Start starts the process and waits until path is answered 200.
func (s *Server) Start(path string) (err error) {
	if err := os.MkdirAll(filepath.Dir(s.Data), 0o700); err != nil {
		return err
	}
	if s.log, err = os.CreateTemp(filepath.Dir(s.Data), "log-*.txt"); err != nil {
		return err
	}
	s.Cmd.Dir = filepath.Dir(s.Data)
	s.Cmd.Stdout, s.Cmd.Stderr = s.log, s.log
	// A benchmark that is killed must not leave servers behind.
	s.Cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.Began = time.Now()
	if err := s.Cmd.Start(); err != nil {
		return err
	}
	s.exited = make(chan struct{})
	go func() {
		s.exit = s.Cmd.Wait()
		close(s.exited)
	}()
	if s.Patience == 0 {
		s.Patience = 30 * time.Second
	}
	c := client.New(s.Addr)
	defer c.Close()
	for deadline := s.Began.Add(s.Patience); ; {
		if _, err = c.Do("GET", path, nil); err == nil {
			s.Ready = time.Now()
			return nil
		}
		pause := 500 * time.Microsecond
		if time.Since(s.Began) > time.Second { // it has more to do, and should not be disturbed
			pause = 20 * time.Millisecond
		}
		select {
		case <-s.exited:
		case <-time.After(pause):
			if time.Now().Before(deadline) {
				continue
			}
		}
		text, _ := os.ReadFile(s.log.Name())
		s.Stop()
		return fmt.Errorf("the server does not answer: %w\n%s", err, text[max(0, len(text)-2000):])
	}
}

// Stop ends the process and waits for it. It may be called again.
func (s *Server) Stop() error {
	select {
	case <-s.exited:
		return nil
	default:
	}
	s.Cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(10*time.Second, func() { s.Cmd.Process.Kill() })
	defer kill.Stop()
	<-s.exited
	return errors.Join(s.exit, s.log.Close())
}

// processes are the process and those that it has started, and so on.
func (s *Server) processes() (pids []int) {
	pids = []int{s.Cmd.Process.Pid}
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

// Memory is what processes hold, in MB (10^6 bytes).
type Memory struct {
	// Resident is everything, Anonymous what is not a page of a file, and Peak the sum of the highest resident values
	// since ResetPeak.
	Resident, Anonymous, Peak float64
}

// Memory reads what the processes hold.
func (s *Server) Memory() (m Memory, err error) {
	for _, pid := range s.processes() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return m, err
		}
		field := func(name string) float64 { return number(text, name) * 1024 / 1e6 }
		m.Resident, m.Anonymous, m.Peak = m.Resident+field("VmRSS"), m.Anonymous+field("RssAnon"), m.Peak+field("VmHWM")
	}
	return m, nil
}

// number is the value of a line "name: value" of a file in /proc; 0 if there is none.
func number(text []byte, name string) float64 {
	_, rest, _ := strings.Cut("\n"+string(text), "\n"+name+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	f, _ := strconv.ParseFloat(fields[0], 64)
	return f
}

// ResetPeak makes the kernel forget the highest values.
func (s *Server) ResetPeak() (err error) {
	for _, pid := range s.processes() {
		err = errors.Join(err, os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0))
	}
	return err
}

// Gain is how much more the server held at most while it did something.
func (s *Server) Gain(do func() error) (float64, error) {
	before, err := s.Memory()
	if err == nil {
		err = s.ResetPeak()
	}
	if err == nil {
		err = do()
	}
	if err != nil {
		return 0, err
	}
	after, err := s.Memory()
	return after.Peak - before.Resident, err
}

// CPU is how long the processes have had a processor.
func (s *Server) CPU() (total time.Duration) {
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

// Output is how many bytes the processes have put out by system calls, to files and to connections (wchar of
// /proc/PID/io).
func (s *Server) Output() (total int64) {
	for _, pid := range s.processes() {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
		total += int64(number(text, "wchar"))
	}
	return total
}

// FreeAddr returns a loopback address on which nothing listens.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}
