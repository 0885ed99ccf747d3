package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

// pprofSource is added to the product's main package for profiles; the product itself has no such endpoint.
const pprofSource = `package main

import (
	"net/http"
	_ "net/http/pprof"
	"os"
)

func init() { go http.ListenAndServe(os.Getenv("OR3_BENCH_PPROF"), nil) }
`

// profile writes profiles of what sixteen devices do: pushes, empty polls, pulls from all over the log, and pulls of
// what is new.
func (b *bench) profile(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := process.BuildWith(ctx, b.Root, b.This().Binary, "bench_pprof.go", pprofSource); err != nil {
		return err
	}
	pprof, err := process.FreeAddr()
	if err != nil {
		return err
	}
	s, err := b.Serve("profile", "OR3_BENCH_PPROF="+pprof)
	if err != nil {
		return err
	}
	defer s.Stop()
	devices, err := b.Devices(s, "profile", 16)
	if err != nil {
		return err
	}
	p := &load.Pushers{Server: s, Devices: devices}
	if err := measure.Interleave(1, p.Step(16_000)); err != nil {
		return err
	}
	push := func() error { return measure.Interleave(1, p.Step(16_000)) }
	poll := func() error {
		head, err := devices[0].Head()
		if err != nil {
			return err
		}
		body := client.PullBody(devices[0].Workspace, head, 100)
		_, _, err = measure.Loop(len(devices), measure.Times(2000), func(w, _ int) error {
			_, err := devices[w].Pull(body)
			return err
		})
		return err
	}
	pull := func(fresh bool) func() error {
		return func() error {
			head, err := devices[0].Head()
			if err != nil {
				return err
			}
			p := &load.Pullers{Server: s, Devices: devices, Limit: 1000, Newest: head, Fresh: fresh}
			return measure.Interleave(1, p.Step(800))
		}
	}
	for _, k := range []struct {
		name string
		load func() error
	}{{"push", push}, {"poll", poll}, {"pull", pull(false)}, {"fresh", pull(true)}} {
		for _, kind := range []string{"profile", "allocs"} {
			file := filepath.Join(dir, k.name+"-"+kind+".pb.gz")
			if err := fetchProfile(file, fmt.Sprintf("http://%s/debug/pprof/%s?seconds=8", pprof, kind), k.load); err != nil {
				return err
			}
			fmt.Println("wrote", file)
		}
	}
	return nil
}

// fetchProfile keeps a load up until the server has answered with its profile.
func fetchProfile(file, url string, load func() error) error {
	done := make(chan struct{})
	var wg sync.WaitGroup
	var loadErr error
	wg.Go(func() {
		for loadErr == nil {
			select {
			case <-done:
				return
			default:
				loadErr = load()
			}
		}
	})
	err := save(file, url)
	close(done)
	wg.Wait()
	if err == nil {
		err = loadErr
	}
	return err
}

func save(file, url string) error {
	c := http.Client{Timeout: time.Minute}
	res, err := c.Get(url)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, res.Body); err != nil {
		return err
	}
	return f.Close()
}
