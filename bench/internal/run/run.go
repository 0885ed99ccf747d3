// Package run is what the measurements of one run share: where it takes place, the builds in the comparison, how much
// is done.
package run

import (
	"fmt"
	"path/filepath"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/process"
	"or3.chat/cloud/bench/internal/report"
)

// Run is one run.
type Run struct {
	Root   string // directory of the product's module
	Dir    string // the run's own
	Builds []Build
	Scale  float64 // of the amounts of work; 1 is a run to be quoted
	Rounds int
	Corpus *corpus.Corpus
	Report *report.Report
}

// Build is a program that is measured: the first is this tree's, the second another one to compare it with.
type Build struct {
	// Name begins the names of its figures, Key its paths.
	Name, Key, Binary string
}

// Path returns a path in the run's own directory.
func (r *Run) Path(name string) string { return filepath.Join(r.Dir, name) }

// Ops scales an amount of work.
func (r *Run) Ops(n int) int { return max(1, int(float64(n)*r.Scale)) }

// This is the build of this tree.
func (r *Run) This() Build { return r.Builds[0] }

// Serve starts this tree's build on a new data directory.
func (r *Run) Serve(name string, env ...string) (*process.Server, error) {
	return r.This().Serve(r.Path(name+"/data"), env...)
}

// Serve starts the build on a data directory.
func (b Build) Serve(data string, env ...string) (*process.Server, error) {
	return process.Cloud{Binary: b.Binary, Data: data, Env: env}.Start()
}

// Devices returns n devices of one account.
func (r *Run) Devices(s *process.Server, account string, n int) ([]*client.Device, error) {
	first, err := client.SignUp(s.Addr, r.Corpus, account+"@example.test")
	if err != nil {
		return nil, err
	}
	devices := []*client.Device{first}
	for range n - 1 {
		d, err := client.SignIn(s.Addr, r.Corpus, account+"@example.test")
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}

// Accounts returns n devices, each of an account of its own with a workspace of its own.
func (r *Run) Accounts(s *process.Server, name string, n int) (devices []*client.Device, err error) {
	for i := range n {
		d, err := client.SignUp(s.Addr, r.Corpus, fmt.Sprintf("%s%d@example.test", name, i))
		if err != nil {
			return nil, err
		}
		devices = append(devices, d)
	}
	return devices, nil
}
