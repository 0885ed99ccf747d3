package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A process can execute a program in its place, a new one for an upgrade or its own because only a new start can be trusted
// after a fault, and hand its listening socket over. The socket is open all the time, so that no one is refused meanwhile:
// clients that find a closed port for five seconds give up edits. What an upgrade asks of the new program before that, see
// candidate.go.

const (
	// maxFaults in faultSpan are borne with a new start each. One more ends the program: the disk does not get better
	// by trying, and an operator has to look.
	maxFaults = 3
	faultSpan = 10 * time.Minute
	// faultPatience is how long a process with a fault may take to close what it can, beyond the time that the host gives
	// to requests under way; only a disk that answers nothing at all takes more.
	faultPatience = 10 * time.Second
)

// inheritance is what a process leaves to its successor, in a variable that only the same pid believes.
type inheritance struct {
	PID int `json:"pid"`
	// FD is the listening socket.
	FD int `json:"fd"`
	// Unlink says that the socket is a file that is to be removed in the end.
	Unlink bool `json:"unlink,omitempty"`
	// Faults are the moments of the last new starts after a fault, in Unix seconds.
	Faults []int64 `json:"faults,omitempty"`
}

// inheritanceVariable holds an inheritance as JSON.
const inheritanceVariable = "_OR3_CLOUD_INHERITANCE"

// activationVariables are those of systemd's socket activation (sd_listen_fds(3)).
var activationVariables = []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}

// variable returns the value of an environment variable.
func (a app) variable(name string) string {
	for _, entry := range slices.Backward(a.environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// inherited returns what a predecessor has left to this process; the zero value if there was none.
func (a app) inherited() (inheritance, error) {
	var in inheritance
	text := a.variable(inheritanceVariable)
	if text == "" {
		return in, nil
	}
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		return in, fmt.Errorf("the variable %s is damaged: %w", inheritanceVariable, err)
	}
	if in.PID != os.Getpid() {
		return inheritance{}, nil
	}
	return in, nil
}

// socket is the listening socket of this process.
type socket struct {
	net.Listener
	// given is set if somebody else has opened it.
	given  bool
	unlink bool
	faults []int64
}

// open returns the socket that this process was given, by its predecessor or by systemd, or else opens its own.
func (a app) open(addr string, access socketAccess) (*socket, error) {
	in, err := a.inherited()
	if err != nil {
		return nil, err
	}
	if in.FD != 0 {
		ln, err := listenerOf(in.FD)
		if err != nil {
			return nil, fmt.Errorf("the socket of the former process: %w", err)
		}
		if in.Unlink {
			ln = ownSocket(ln)
		}
		return &socket{Listener: ln, given: true, unlink: in.Unlink, faults: in.Faults}, nil
	}
	ln, err := activated(a.variable)
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	if ln != nil {
		unlinkOnClose(ln, false) // systemd keeps listening when we are gone
		return &socket{Listener: ln, given: true}, nil
	}
	if ln, err = listen(addr, access); err != nil {
		return nil, err
	}
	_, unlink := ln.(*ownedSocket)
	return &socket{Listener: ln, unlink: unlink}, nil
}

func unlinkOnClose(ln net.Listener, unlink bool) {
	if l, ok := ln.(interface{ SetUnlinkOnClose(bool) }); ok {
		l.SetUnlinkOnClose(unlink)
	}
}

// reopen makes a socket of what keep has returned.
func (s *socket) reopen(kept int) (*socket, error) {
	ln, err := listenerOf(kept)
	if err != nil {
		return nil, fmt.Errorf("the socket that was kept open: %w", err)
	}
	if s.unlink {
		ln = ownSocket(ln)
	}
	return &socket{Listener: ln, given: s.given, unlink: s.unlink, faults: s.faults}, nil
}

// discard closes what keep has returned, as the end of the socket; 0 is nothing.
func (s *socket) discard(kept int) error {
	if kept == 0 {
		return nil
	}
	last, err := s.reopen(kept)
	if err != nil {
		return err
	}
	return last.Close()
}

// keep returns a descriptor that keeps the socket open when the listener is closed.
func (s *socket) keep() (int, error) {
	fd, err := duplicate(s.Listener)
	if err == nil {
		unlinkOnClose(s.Listener, false)
	}
	return fd, err
}

// recentFaults returns the moments that still count.
func recentFaults(faults []int64, now time.Time) []int64 {
	return slices.DeleteFunc(slices.Clone(faults), func(at int64) bool { return now.Sub(time.Unix(at, 0)) > faultSpan })
}

// successor is the decision to execute a program in the place of this one.
type successor struct {
	app
	// image is the program that is executed.
	image image
	left  inheritance
}

// become replaces this process by a new one of the same pid. It returns only if that is not possible.
func (s *successor) become() error {
	left, err := json.Marshal(s.left)
	if err != nil {
		return err
	}
	if err := bequeath(s.left.FD); err != nil {
		return err
	}
	program := s.image.name()
	if err := s.execute(program, s.argv, append(s.private(), inheritanceVariable+"="+string(left))); err != nil {
		return fmt.Errorf("execute %s: %w", program, err)
	}
	return nil
}

// private returns the environment without what is meant for this process alone.
func (a app) private() []string {
	return slices.DeleteFunc(slices.Clone(a.environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == inheritanceVariable || slices.Contains(activationVariables, name)
	})
}

// image is a program file as it was at one moment. Its path may lead to another file, or nowhere, when it is executed.
type image struct {
	path string
	// file is what the path led to; nil if that is not known.
	file os.FileInfo
	// sure is another name of the file that nothing can be put in the place of; empty where the system has none.
	sure string
}

// name returns how the file is executed: by its path, which is what people see in lists of processes, as long as that
// leads to it.
func (i image) name() string {
	if i.sure == "" || i.file == nil {
		return i.path
	}
	if now, err := os.Stat(i.path); err == nil && os.SameFile(now, i.file) {
		return i.path
	}
	return i.sure
}

// ending is how a server ends: with an upgrade, with a new start, with an error, or just so.
type ending struct {
	// trial is the program for an upgrade that is to open the stores next.
	trial *candidate
	// next is executed when everything is closed.
	next *successor
	// kept is the descriptor that keeps the socket open for what follows; 0 if nothing follows.
	kept int
	err  error
	// alarm executes next when closing takes too long; nil if it may take as long as it takes.
	alarm *time.Timer
}

// watch waits until ctx ends or there is a reason to end; then it calls stop. grace is what the host gives to requests
// under way.
func (a app) watch(ctx context.Context, log *slog.Logger, s *socket, grace time.Duration, upgrade <-chan os.Signal, fatal <-chan error, stop func()) ending {
	for {
		select {
		case <-ctx.Done():
			return ending{}
		case <-upgrade:
			log.Info("an upgrade was asked for; looking at the program", "program", a.program)
			trial, err := a.nominate(ctx, s)
			var kept int
			if err == nil {
				if kept, err = s.keep(); err != nil {
					trial.dismiss()
				}
			}
			if err != nil {
				a.refuseUpgrade(ctx, log, err)
				continue
			}
			log.Info("the new program accepts the configuration; finishing what is under way, then it has to open the data", "version", trial.version)
			stop()
			return ending{trial: trial, kept: kept}
		case err := <-fatal:
			faults := recentFaults(s.faults, a.now())
			if len(faults) >= maxFaults {
				stop()
				return ending{err: fmt.Errorf("%d new starts within %v did not help, so this is the end; check the disk (dmesg, smartctl -a), then start again: %w",
					len(faults), faultSpan, err)}
			}
			s.faults = append(faults, a.now().Unix())
			log.Error("a fault that only a new start can mend: finishing what is under way, then executing the program anew", "error", err)
			next, err := a.succeed(s, a.runningImage())
			if err != nil {
				stop()
				return ending{err: err}
			}
			end := ending{next: next, kept: next.left.FD}
			end.alarm = time.AfterFunc(grace+faultPatience, func() {
				log.Error("closing takes too long and is given up", "error", next.become())
				os.Exit(1)
			})
			stop()
			return end
		}
	}
}

// refuseUpgrade says why this program goes on, unless it has been told to stop.
func (a app) refuseUpgrade(ctx context.Context, log *slog.Logger, why error) {
	if ctx.Err() == nil {
		log.Error("no upgrade: this program goes on serving", "program", a.program, "error", why)
	}
}

// succeed makes the successor that gets the socket, which stays open until that is executed.
func (a app) succeed(s *socket, i image) (*successor, error) {
	fd, err := s.keep()
	if err != nil {
		return nil, fmt.Errorf("keep the socket open for a new start: %w", err)
	}
	return &successor{app: a, image: i, left: inheritance{PID: os.Getpid(), FD: fd, Unlink: s.unlink, Faults: s.faults}}, nil
}

// conclude ends the process in the way that was decided, unless ctx has ended: whoever told it to stop meanwhile wants
// no successor. closing is what went wrong while everything was closed; it does not keep a successor from trying.
func (e ending) conclude(ctx context.Context, log *slog.Logger, closing error) error {
	if e.next == nil || ctx.Err() != nil {
		return errors.Join(e.err, closing)
	}
	if closing != nil {
		log.Error("not everything could be closed", "error", closing)
	}
	if e.alarm != nil && !e.alarm.Stop() {
		select {} // it is executing the successor at this moment
	}
	return e.next.become()
}

// programPath returns where the program is that the user has started, so that an upgrade can replace it there: a link
// is not followed.
func programPath(argv []string) string {
	if len(argv) > 0 {
		if path, err := exec.LookPath(argv[0]); err == nil {
			if path, err = filepath.Abs(path); err == nil {
				return path
			}
		}
	}
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return path
}
