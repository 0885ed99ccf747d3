//go:build !unix

package handover

import (
	"errors"
	"net"
	"os"
	"os/exec"
)

// errNoSuccessor is returned on systems where a process cannot execute another program in its place.
var errNoSuccessor = errors.New("this operating system cannot hand a socket to a new process; start the server again")

func canSucceed() error { return errNoSuccessor }

func upgradeSignals() (<-chan os.Signal, func()) { return nil, func() {} }

func activated(func(string) string, bool) (main, plain net.Listener, err error) { return nil, nil, nil }

func listenerOf(int) (net.Listener, error) { return nil, errNoSuccessor }

func duplicate(net.Listener) (int, error) { return 0, errNoSuccessor }

func bequeath(int) error { return errNoSuccessor }

func ownGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }

func execute(string, []string, []string) error { return errNoSuccessor }
