// Package handover makes a server outlive its processes. A process can execute a program in its place, a new one for an
// upgrade or its own because only a new start can be trusted after a fault, and hand its listening socket over. The socket
// is open all the time, so that no one is refused meanwhile: clients that find a closed port for five seconds give up edits.
//
// The life of a server is a row of turns (Serve): in each, the data is opened and closed once. What an upgrade asks of the
// new program before that, see candidate.go. Where the socket comes from, see Open: from the process before, from systemd, or
// from the address that is configured.
package handover

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Process is what a server needs to know of its process to have a successor. A test can say something else than This.
type Process struct {
	// Name is what a program has to call itself in "version --json" to be ours.
	Name string
	// Program is the path of the file that an upgrade replaces, and Argv are the arguments of this process, with its name.
	Program string
	Argv    []string
	// Environ is what a successor gets, but for what is meant for this process alone.
	Environ []string
	// Orders is where a candidate is told what to do: standard input.
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
