package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
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

// profile writes profiles of pushes and of empty polls by sixteen devices.
func (b *bench) profile(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	source, overlay := b.path("pprof.go"), b.path("overlay.json")
	text, err := json.Marshal(object{"Replace": object{filepath.Join(b.root, "cmd/or3-cloud/bench_pprof.go"): source}})
	if err != nil {
		return err
	}
	if err := os.WriteFile(source, []byte(pprofSource), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return err
	}
	if err := buildServer(ctx, b.root, b.binary, overlay); err != nil {
		return err
	}
	pprof, err := freeAddr()
	if err != nil {
		return err
	}
	s, err := startServer(b.binary, b.path("profile/data"), "OR3_BENCH_PPROF="+pprof)
	if err != nil {
		return err
	}
	defer s.stop()
	devices, err := b.devices(s, "profile", 16)
	if err != nil {
		return err
	}
	p := newPushers(devices)
	if err := interleave(1, p.step(16_000)); err != nil {
		return err
	}
	push := func() error { return interleave(1, p.step(16_000)) }
	poll := func() error {
		head, err := devices[0].head()
		if err != nil {
			return err
		}
		body := pullBody(devices[0].workspace, head, 100)
		_, _, err = loop(len(devices), times(2000), func(w, _ int) error {
			_, err := devices[w].pull(body)
			return err
		})
		return err
	}
	pull := func() error {
		_, _, err := loop(len(devices), times(50), func(w, t int) error {
			_, err := devices[w].pull(pullBody(devices[w].workspace, int64(t*100), 1000))
			return err
		})
		return err
	}
	for _, k := range []struct {
		name string
		load func() error
	}{{"push", push}, {"poll", poll}, {"pull", pull}} {
		for _, kind := range []string{"profile", "allocs"} {
			file := filepath.Join(dir, k.name+"-"+kind+".pb.gz")
			if err := fetchProfile(file, fmt.Sprintf("http://%s/debug/pprof/%s?seconds=8", pprof, kind), k.load); err != nil {
				return err
			}
			fmt.Println("wrote", file)
		}
		p.rate = nil
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
