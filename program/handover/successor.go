package handover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"or3.chat/cloud/setting"
)

const (
	// maxFaults is how many fatal errors within faultSpan lead to a restart. One more ends the program: the
	// disk does not recover by retrying, and an operator has to look at it.
	maxFaults = 3
	faultSpan = 10 * time.Minute
	// faultPatience is how long a process after a fatal error may take to close what it can, beyond the time that the
	// host gives to requests under way; only a disk that does not answer at all takes longer.
	faultPatience = 10 * time.Second
)

// inheritance is what a process leaves to its successor, in a variable that only the same pid accepts.
type inheritance struct {
	PID int `json:"pid"`
	// FD is the listening socket, and Plain the one for plain HTTP beside it; 0 if there is none.
	FD    int `json:"fd"`
	Plain int `json:"plain,omitempty"`
	// Unlink says that the socket is a file to remove in the end.
	Unlink bool `json:"unlink,omitempty"`
	// Faults are the times of the last restarts after a fatal error, in Unix seconds.
	Faults []int64 `json:"faults,omitempty"`
}

// kept are the descriptors that are left.
func (in inheritance) kept() kept { return kept{in.FD, in.Plain} }

// inheritanceVariable holds an inheritance as JSON.
const inheritanceVariable = "_OR3_CLOUD_INHERITANCE"

// activationVariables are those of systemd's socket activation (sd_listen_fds(3)).
var activationVariables = []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"}

// Variable returns the value of an environment variable.
func (p Process) Variable(name string) string {
	for _, entry := range slices.Backward(p.Environ) {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// inherited returns what a predecessor has left to this process; the zero value if there was none.
func (p Process) inherited() (inheritance, error) {
	var in inheritance
	text := p.Variable(inheritanceVariable)
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

// Socket is the listening socket of this process, and what belongs to it.
type Socket struct {
	net.Listener
	// Plain is the socket for plain HTTP of a server that speaks HTTPS itself; nil for another one.
	Plain  net.Listener
	given  bool
	unlink bool
	faults []int64
}

// Addresses are where a server listens if it is given no sockets.
type Addresses struct {
	// Main is a TCP address or unix:PATH, which Access is for.
	Main   string
	Access Access
	// Plain is the TCP address of the socket for plain HTTP beside it; empty for none.
	Plain string
}

// Open returns the socket that this process was given, by its predecessor or by systemd, or otherwise opens its own. It
// may be given only the first of two: then the other one is opened, because the configuration has changed.
func (p Process) Open(at Addresses) (*Socket, error) {
	s, err := p.given(at)
	if err != nil {
		return nil, err
	}
	if s.Listener == nil {
		if s.Listener, err = listen(at.Main, at.Access); err != nil {
			return nil, errors.Join(err, s.closePlain())
		}
		_, s.unlink = s.Listener.(*ownedSocket)
	}
	switch {
	case at.Plain == "":
		return s, s.closePlain()
	case s.Plain == nil:
		if s.Plain, err = listenTCP(at.Plain, setting.HTTPAddr); err != nil {
			return nil, errors.Join(err, s.Listener.Close())
		}
	}
	return s, nil
}

// given returns the sockets that other processes have opened for this one; without a listener if there are none.
func (p Process) given(at Addresses) (*Socket, error) {
	in, err := p.inherited()
	if err != nil {
		return nil, err
	}
	if in.FD != 0 {
		s := &Socket{given: true, unlink: in.Unlink, faults: in.Faults}
		if err := s.take(kept{in.FD, in.Plain}); err != nil {
			return nil, fmt.Errorf("the socket of the former process: %w", err)
		}
		return s, nil
	}
	main, plain, err := activated(p.Variable, at.Plain != "")
	if err != nil {
		return nil, fmt.Errorf("socket activation: %w", err)
	}
	if main != nil {
		unlinkOnClose(main, false) // systemd keeps listening when we are gone
	}
	return &Socket{Listener: main, Plain: plain, given: main != nil}, nil
}

// closePlain closes the socket for plain HTTP, if there is one.
func (s *Socket) closePlain() error {
	if s.Plain == nil {
		return nil
	}
	defer func() { s.Plain = nil }()
	return s.Plain.Close()
}

// Close implements net.Listener, for both.
func (s *Socket) Close() error { return errors.Join(s.Listener.Close(), s.closePlain()) }

// kept are the descriptors that keep a socket open for the next turn or process: that of its listener, and that of the
// one for plain HTTP. 0 means none.
type kept struct{ main, plain int }

// take makes the listeners from descriptors.
func (s *Socket) take(k kept) (err error) {
	if s.Listener, err = listenerOf(k.main); err != nil {
		return err
	}
	if s.unlink {
		s.Listener = ownSocket(s.Listener)
	}
	if k.plain != 0 {
		s.Plain, err = listenerOf(k.plain)
	}
	return err
}

// Given reports whether another process has opened the socket: the one before this one, or systemd.
func (s *Socket) Given() bool { return s.given }

// OfManager reports whether the socket is systemd's, which then decides who may connect.
func (s *Socket) OfManager() bool { return s.given && !s.unlink }

func unlinkOnClose(ln net.Listener, unlink bool) {
	if l, ok := ln.(interface{ SetUnlinkOnClose(bool) }); ok {
		l.SetUnlinkOnClose(unlink)
	}
}

// reopen makes a socket from what keep has returned.
func (s *Socket) reopen(k kept) (*Socket, error) {
	again := &Socket{given: s.given, unlink: s.unlink, faults: s.faults}
	if err := again.take(k); err != nil {
		return nil, fmt.Errorf("the socket that was kept open: %w", err)
	}
	return again, nil
}

// discard closes what keep has returned, as the end of the socket; it may be empty.
func (s *Socket) discard(k kept) error {
	if k == (kept{}) {
		return nil
	}
	last, err := s.reopen(k)
	if err != nil {
		return err
	}
	return last.Close()
}

// keep returns descriptors that keep the socket open when the listeners are closed.
func (s *Socket) keep() (k kept, err error) {
	if k.main, err = duplicate(s.Listener); err != nil {
		return kept{}, err
	}
	unlinkOnClose(s.Listener, false)
	if s.Plain != nil {
		k.plain, err = duplicate(s.Plain)
	}
	return k, err
}

// recentFaults returns the moments that still count.
func recentFaults(faults []int64, now time.Time) []int64 {
	return slices.DeleteFunc(slices.Clone(faults), func(at int64) bool { return now.Sub(time.Unix(at, 0)) > faultSpan })
}

// successor is the decision to execute a program in the place of this one.
type successor struct {
	Process
	// image is the program that is executed.
	image image
	left  inheritance
}

// become replaces this process by a new one with the same pid. It returns only if that is not possible.
func (s *successor) become() error {
	left, err := json.Marshal(s.left)
	if err != nil {
		return err
	}
	if err := bequeath(s.left.FD); err != nil {
		return err
	}
	if s.left.Plain != 0 {
		if err := bequeath(s.left.Plain); err != nil {
			return err
		}
	}
	program := s.image.name()
	if err := s.Execute(program, s.Argv, append(s.private(), inheritanceVariable+"="+string(left))); err != nil {
		return fmt.Errorf("execute %s: %w", program, err)
	}
	return nil
}

// private returns the environment without what is meant for this process alone.
func (p Process) private() []string {
	return slices.DeleteFunc(slices.Clone(p.Environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		return name == inheritanceVariable || slices.Contains(activationVariables, name)
	})
}

// image is a program file as it was at one moment. Its path may lead to another file, or nowhere, by the time it is
// executed.
type image struct {
	path string
	// file is what the path led to; nil if that is not known.
	file os.FileInfo
	// sure is another name of the file that always means this file; empty where the system has none.
	sure string
}

// name returns the path to execute: the file's own path, which people see in lists of processes, as long as that leads
// to it.
func (i image) name() string {
	if i.sure == "" || i.file == nil {
		return i.path
	}
	if now, err := os.Stat(i.path); err == nil && os.SameFile(now, i.file) {
		return i.path
	}
	return i.sure
}

// Ending is how a turn ends: with an upgrade, a restart, an error, or a normal stop.
type Ending struct {
	// trial is the program for an upgrade, which opens the stores next.
	trial *candidate
	// next is executed when everything is closed.
	next *successor
	// kept keeps the socket open for what follows; empty if nothing follows.
	kept kept
	err  error
	// alarm executes next when closing takes too long; nil if there is no limit.
	alarm *time.Timer
}

// Watch waits until ctx ends or there is a reason to end; then it calls stop. grace is how long a server waits for
// requests under way. fatal reports errors that only a restart can fix.
func (t *Turn) Watch(ctx context.Context, log *slog.Logger, grace time.Duration, fatal <-chan error, stop func()) Ending {
	p, s := t.process, t.Socket
	for {
		select {
		case <-ctx.Done():
			return Ending{}
		case <-t.upgrades.asked:
			if end, over := t.upgrade(ctx, log); over {
				stop()
				return end
			}
		case <-t.upgrades.wanted:
			if end, over := t.upgrade(ctx, log); over {
				stop()
				return end
			}
		case err := <-fatal:
			faults := recentFaults(s.faults, p.Now())
			if len(faults) >= maxFaults {
				stop()
				return Ending{err: fmt.Errorf("%d restarts within %v did not help, so the server stops; check the disk (dmesg, smartctl -a), then start it again: %w",
					len(faults), faultSpan, err)}
			}
			s.faults = append(faults, p.Now().Unix())
			log.Error("a fatal error that only a restart can fix: finishing what is under way, then executing the program again", "error", err)
			next, err := p.succeed(s, p.runningImage())
			if err != nil {
				stop()
				return Ending{err: err}
			}
			end := Ending{next: next, kept: next.left.kept()}
			end.alarm = time.AfterFunc(grace+faultPatience, func() {
				log.Error("closing takes too long and is abandoned", "error", next.become())
				os.Exit(1)
			})
			stop()
			return end
		}
	}
}

// upgrade examines the program that is to take over. It reports whether this turn is over because the program accepts
// the configuration.
func (t *Turn) upgrade(ctx context.Context, log *slog.Logger) (Ending, bool) {
	log.Info("an upgrade was requested; checking the program", "program", t.process.Program)
	trial, err := t.process.nominate(ctx, t.Socket)
	var kept kept
	if err == nil {
		if kept, err = t.Socket.keep(); err != nil {
			trial.dismiss()
		}
	}
	if err != nil {
		t.process.refuseUpgrade(ctx, log, t.upgrades, err)
		return Ending{}, false
	}
	log.Info("the new program accepts the configuration; finishing what is under way, then it must open the data", "version", trial.version)
	return Ending{trial: trial, kept: kept}, true
}

// refuseUpgrade logs why this program goes on, unless it has been told to stop.
func (p Process) refuseUpgrade(ctx context.Context, log *slog.Logger, u *Upgrades, why error) {
	if ctx.Err() == nil {
		u.refuse(why)
		log.Error("no upgrade: this program goes on serving", "program", p.Program, "error", why)
	}
}

// succeed makes the successor that gets the socket, which stays open until it is executed.
func (p Process) succeed(s *Socket, i image) (*successor, error) {
	k, err := s.keep()
	if err != nil {
		return nil, fmt.Errorf("keep the socket open for a restart: %w", err)
	}
	return &successor{Process: p, image: i, left: inheritance{PID: os.Getpid(), FD: k.main, Plain: k.plain, Unlink: s.unlink, Faults: s.faults}}, nil
}

// conclude ends the process as decided, unless ctx has ended: then it was told to stop, and needs no
// successor. closing is the error of closing everything; it does not keep a successor from trying.
func (e Ending) conclude(ctx context.Context, log *slog.Logger, closing error) error {
	if e.next == nil || ctx.Err() != nil {
		return errors.Join(e.err, closing)
	}
	if closing != nil {
		log.Error("not everything could be closed", "error", closing)
	}
	if e.alarm != nil && !e.alarm.Stop() {
		select {} // it is executing the successor right now
	}
	return e.next.become()
}
