package handover

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"or3.chat/cloud/internal/logx"
)

// The file at our path need not be the program that an upgrade is meant to install. So it has to show that it can take
// our place before we leave it, in three steps, after each of which we can go on as if nothing had happened:
//
//  1. Its version command says that it is or3-cloud.
//  2. Started as a candidate, a child of ours with our arguments, environment and socket, it accepts the configuration.
//     Up to here we serve.
//  3. We close the data, answering 503, and it opens all of it, as at a start, and closes it again.
//
// Then it is executed in our place, so the process keeps its pid, by which supervisors know it.
//
// A candidate gets orders on its standard input, whose end tells it to go, and reports on a pipe: in lines, all of
// which are below.
const (
	candidateVariable = "_OR3_CLOUD_CANDIDATE" // has the pid of the process that has started it

	reportReady  = "ready"  // the configuration is good
	orderOpen    = "open"   // the data directory is free
	reportOpened = "opened" // all stores were opened and closed again

	// The descriptors of a candidate: those of exec.Cmd.ExtraFiles, in this order.
	reportFD    = 3
	candidateFD = 4

	// trialPatience is how long a program may take for each of the first two steps.
	trialPatience = 30 * time.Second
	// openPatience is how long it may take to open the data, including the migration of databases. Until then
	// everything is 503.
	openPatience = 5 * time.Minute
	// partingPatience is how long a candidate that has begun to open the data may take to close it when it is given up.
	partingPatience = 5 * time.Second
	// maxOutput is how much of a program's output is kept.
	maxOutput = 4 << 10
)

// Limits are time limits for a program that may take our place.
type Limits struct {
	// Step is for each of the first two steps, Open to open the data.
	Step, Open time.Duration
}

// candidate is a program that runs beside this one to show that it can replace it.
type candidate struct {
	image
	version string
	// patience is how long it may take to open the data.
	patience time.Duration

	held    *os.File // the file of image; nil if it cannot be read
	cmd     *exec.Cmd
	orders  io.WriteCloser
	reports *os.File
	lines   chan string // its reports; closed with the pipe
	output  *tail
	opening bool
	exited  chan struct{}
	exit    error // read it after exited
}

// nominate takes the program at our path through the first two steps. The caller has to dismiss a candidate that it
// gets.
func (p Process) nominate(ctx context.Context, s *Socket) (_ *candidate, err error) {
	c := &candidate{image: image{path: p.Program}, patience: p.Limits.Open}
	defer func() {
		if err != nil {
			c.dismiss()
			err = fmt.Errorf("%w%s", err, remedy(err))
		}
	}()
	if c.file, err = os.Stat(p.Program); err != nil {
		return nil, err
	}
	if !c.file.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file; put the new program there", p.Program)
	}
	if c.held, err = os.Open(p.Program); err == nil { // otherwise it is a program that may be executed but not read
		c.sure = sureName(c.held)
	}
	who, err := p.identify(ctx)
	if err != nil {
		return nil, err
	}
	c.version = who.Version
	if err := c.start(p, s); err != nil {
		return nil, err
	}
	return c, c.expect(ctx, reportReady, p.Limits.Step)
}

// version is the part that we need of the output of version --json.
type version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// identify asks the program at our path who it is. Until that is known it gets none of our environment, which has
// secrets, except what programs need to be found and to find their files.
func (p Process) identify(ctx context.Context) (version, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Limits.Step)
	defer cancel()
	var who version
	out, complaints := &tail{}, &tail{}
	cmd := exec.CommandContext(ctx, p.Program, "version", "--json")
	for _, name := range []string{"PATH", "HOME", "LANG", "TMPDIR"} {
		cmd.Env = append(cmd.Env, name+"="+p.Variable(name))
	}
	cmd.Stdout, cmd.Stderr = out, complaints
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	err := cmd.Run()
	if cmd.Process != nil {
		_ = killGroup(cmd) // what it may have left running
	}
	switch {
	case ctx.Err() != nil:
		return who, fmt.Errorf("%s version --json does not end: %w", p.Program, ctx.Err())
	case err != nil:
		return who, fmt.Errorf("%s version --json: %w%s", p.Program, err, complaints.quote())
	}
	if json.Unmarshal([]byte(out.String()), &who) != nil || who.Name != p.Name || who.Version == "" {
		return who, fmt.Errorf("%s is not %s, or a version that cannot be tried before an upgrade: version --json must print its name and version%s",
			p.Program, p.Name, out.quote())
	}
	return who, nil
}

// start starts the program as a candidate.
func (c *candidate) start(p Process, s *Socket) error {
	reports, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer report.Close()
	c.reports = reports
	fd, err := duplicate(s.Listener)
	if err != nil {
		return err
	}
	socket := os.NewFile(uintptr(fd), "socket")
	defer socket.Close()
	c.output = &tail{}
	cmd := exec.Command(c.path)
	cmd.Args = p.Argv
	cmd.Env = append(p.private(), candidateVariable+"="+strconv.Itoa(os.Getpid()))
	cmd.Stderr = c.output
	cmd.ExtraFiles = []*os.File{reportFD - 3: report, candidateFD - 3: socket}
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	orders, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	// There is room for two reports: one that no one waits for is one too many.
	c.cmd, c.orders, c.lines, c.exited = cmd, orders, make(chan string, 2), make(chan struct{})
	go func() {
		c.exit = cmd.Wait()
		c.kill() // what it has left running may keep the pipe open
		_ = reports.SetReadDeadline(time.Now().Add(partingPatience))
		close(c.exited)
	}()
	go func() {
		defer close(c.lines)
		for lines := bufio.NewScanner(reports); lines.Scan(); {
			select {
			case c.lines <- lines.Text():
			default:
			}
		}
	}()
	return nil
}

// expect waits for one report.
func (c *candidate) expect(ctx context.Context, report string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case line, ok := <-c.lines: // they end soon after the program does
		if !ok {
			return c.gone(ctx, report)
		}
		if line != report {
			return fmt.Errorf("the new program reports %q instead of %q", logx.Redact(line), report)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the new program was not %q within %v: %w%s", report, patience, ctx.Err(), c.output.quote())
	}
}

// gone says how a candidate ended that should have reported something.
func (c *candidate) gone(ctx context.Context, report string) error {
	select {
	case <-c.exited:
	case <-time.After(partingPatience):
	case <-ctx.Done():
	}
	c.kill()
	<-c.exited
	how := "it ended"
	if c.exit != nil {
		how = c.exit.Error()
	}
	return fmt.Errorf("the new program does not start: instead of %q: %s%s", report, how, c.output.quote())
}

// prove lets the candidate open and close the data, which must be closed here. Whatever it returns, the candidate has
// then ended, and with it its hold on the data.
func (c *candidate) prove(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			c.dismiss()
			err = fmt.Errorf("%w%s", err, remedy(err))
		}
	}()
	c.opening = true
	if _, err := io.WriteString(c.orders, orderOpen+"\n"); err != nil {
		return c.gone(ctx, reportOpened)
	}
	if err := c.expect(ctx, reportOpened, c.patience); err != nil {
		return err
	}
	c.orders.Close()
	select {
	case <-c.exited:
	case <-time.After(partingPatience):
		return fmt.Errorf("the new program does not end after it has closed the data%s", c.output.quote())
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.exit != nil {
		return fmt.Errorf("the new program opened the data, but: %w%s", c.exit, c.output.quote())
	}
	return nil
}

// dismiss ends the candidate and everything that belongs to it; nil is allowed.
func (c *candidate) dismiss() {
	if c == nil {
		return
	}
	if c.cmd != nil {
		c.orders.Close()
		if c.opening {
			select {
			case <-c.exited:
			case <-time.After(partingPatience):
			}
		}
		c.kill()
		<-c.exited
	}
	if c.reports != nil {
		c.reports.Close()
	}
	if c.held != nil {
		c.held.Close()
	}
}

// kill ends the candidate at once, with everything it has started.
func (c *candidate) kill() { _ = killGroup(c.cmd) }

// remedy is what helps against an error of the system about a program, to be appended to it.
func remedy(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "; put the new program there; if it is there, the interpreter or loader that it names is missing"
	case errors.Is(err, fs.ErrPermission):
		return "; the user of this process must be able to execute it: run chmod 755 on it, and look for noexec in the mount options"
	case errors.Is(err, syscall.ETXTBSY):
		return "; it is still being written: write the new program under another name beside it, then rename it"
	case errors.Is(err, syscall.ENOEXEC):
		return "; it is not a program for this system and processor, or is incomplete: compare its checksum with that of the release"
	default:
		return "; put a working program there and try again, or, to go back to an older one, stop the server, replace the file and start it"
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	p = p[max(0, n-maxOutput):]
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxOutput; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.kept)
}

// quote is what was printed, without secrets, to be appended to an error.
func (t *tail) quote() string {
	text := logx.Redact(string(bytes.ToValidUTF8(bytes.TrimSpace([]byte(t.String())), []byte("?"))))
	if text == "" {
		return ""
	}
	return fmt.Sprintf("; it printed %q", text)
}

// Candidacy is the part of a process that is itself a candidate.
type Candidacy struct {
	orders  io.Reader
	reports io.WriteCloser
}

// Candidacy returns nil if this process is not a candidate.
func (p Process) Candidacy() (*Candidacy, error) {
	text := p.Variable(candidateVariable)
	if text == "" {
		return nil, nil
	}
	if text != strconv.Itoa(os.Getppid()) {
		return nil, errors.New("another program started this one for an upgrade; a wrapper must execute it in its own place (exec)")
	}
	ln, err := listenerOf(candidateFD)
	if err != nil {
		return nil, fmt.Errorf("the socket of the program that serves: %w", err)
	}
	unlinkOnClose(ln, false)
	if err := ln.Close(); err != nil {
		return nil, err
	}
	return &Candidacy{orders: p.Orders, reports: os.NewFile(reportFD, "reports")}, nil
}

// Stand does what a candidate has to do. open opens all stores and returns a function that closes them.
func (c *Candidacy) Stand(ctx context.Context, open func(context.Context) (stop func() error, err error)) error {
	defer c.reports.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	orders := make(chan string)
	go func() {
		defer cancel() // the program that serves no longer wants us, or has ended
		for lines := bufio.NewScanner(c.orders); lines.Scan(); {
			select {
			case orders <- lines.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	if err := c.report(reportReady); err != nil {
		return err
	}
	select {
	case order := <-orders:
		if order != orderOpen {
			return fmt.Errorf("a candidate does not know the order %q", order)
		}
	case <-ctx.Done():
		return nil
	}
	stop, err := open(ctx)
	if err = errors.Join(err, stop()); err != nil {
		return err
	}
	return c.report(reportOpened)
}

func (c *Candidacy) report(line string) error {
	_, err := io.WriteString(c.reports, line+"\n")
	return err
}
