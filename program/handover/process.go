// Package handover makes a server outlive its processes. A process can execute a program in its place, a new one for an
// upgrade or its own because only a restart can be trusted after a fatal error, and hand over its listening socket. The
// socket is open all the time, so that no one is refused in between: clients that find a closed port for five seconds
// give up edits.
//
// The life of a server is a sequence of turns (Serve): in each, the data is opened and closed once. For what an upgrade
// requires of the new program before that, see candidate.go. For where the socket comes from, see Open: the process
// before, systemd, or the configured address.
package handover

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Process is what a server needs to know about its process to have a successor. A test can use something else than
// This.
type Process struct {
	// Name is the name with which a program has to identify itself in "version --json" to be ours.
	Name string
	// Program is the path of the file that an upgrade replaces, and Argv are the arguments of this process, with its
	// name.
	Program string
	Argv    []string
	// Environ is the environment for a successor, without what is meant for this process alone.
	Environ []string
	// Orders is where a candidate reads its orders: standard input.
	Orders io.Reader
	Now    func() time.Time
	// Execute replaces this process. It returns only if that is not possible.
	Execute func(program string, argv, environ []string) error
	Limits  Limits
}

// This returns this process, of a program with a name.
func This(name string) Process {
	return Process{
		Name: name, Program: programPath(os.Args), Argv: os.Args, Environ: os.Environ(), Orders: os.Stdin, Now: time.Now,
		Execute: execute, Limits: Limits{Step: trialPatience, Open: openPatience},
	}
}

// programPath returns the path of the program that the user started, so that an upgrade can replace it there: links are
// not followed.
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
