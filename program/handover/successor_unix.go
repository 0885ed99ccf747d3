//go:build unix

package handover

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"or3.chat/cloud/setting"
)

// firstActivated is the descriptor of systemd's first socket.
const firstActivated = 3

// canSucceed says why a process cannot execute a program in its place and leave it a socket.
func canSucceed() error { return nil }

// upgradeSignals delivers the signal that requests an upgrade. SIGHUP is not one: it also comes when a terminal closes.
func upgradeSignals() (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, unix.SIGUSR2)
	return c, func() { signal.Stop(c) }
}

// plainName is the value of FileDescriptorName= in the socket unit for plain HTTP.
const plainName = "http"

// activated returns the sockets that systemd has opened for this process; nil if it has not. Of two, which a server
// that speaks HTTPS itself needs, the one named plainName is for plain HTTP.
func activated(variable func(string) string, wantsPlain bool) (main, plain net.Listener, err error) {
	if variable("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil, nil
	}
	n, names := variable("LISTEN_FDS"), strings.Split(variable("LISTEN_FDNAMES"), ":")
	switch {
	case n == "1":
		main, err = listenerOf(firstActivated)
		return main, nil, err
	case n != "2" || !wantsPlain:
		return nil, nil, fmt.Errorf("LISTEN_FDS is %q; the server needs exactly one socket, so give the socket unit one Listen line; "+
			"with %s a second one for plain HTTP, of a unit of its own", n, setting.Domain)
	}
	at := slices.Index(names, plainName)
	if len(names) != 2 || at < 0 || names[1-at] == plainName {
		return nil, nil, fmt.Errorf("LISTEN_FDNAMES is %q, which does not say which of the two sockets is for plain HTTP; write FileDescriptorName=%s into the unit of that one",
			variable("LISTEN_FDNAMES"), plainName)
	}
	if plain, err = listenerOf(firstActivated + at); err == nil {
		main, err = listenerOf(firstActivated + 1 - at)
	}
	return main, plain, err
}

// listenerOf makes a listener from an inherited descriptor, which it closes.
func listenerOf(fd int) (net.Listener, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close()
	return net.FileListener(f)
}

// duplicate returns another descriptor of a listening socket. It does not use File, whose descriptor would make the
// socket block.
func duplicate(ln net.Listener) (fd int, err error) {
	c, ok := ln.(syscall.Conn)
	if !ok {
		return 0, fmt.Errorf("%T has no descriptor", ln)
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var dupErr error
	if err := raw.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, firstActivated) }); err != nil {
		return 0, err
	}
	return fd, dupErr
}

// bequeath keeps a descriptor open in the next program. A second request for an upgrade must not kill that one before
// it handles signals: what is ignored here is ignored there.
func bequeath(fd int) error {
	signal.Ignore(unix.SIGUSR2)
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0)
	return err
}

// ownGroup makes a command the first of a process group, so that killGroup also ends what it has started.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// killGroup ends a command and what it has started.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// execute replaces this process.
func execute(program string, argv, environ []string) error {
	return syscall.Exec(program, argv, environ)
}
