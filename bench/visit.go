package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"or3.chat/cloud/bench/internal/line"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
	"or3.chat/cloud/bench/internal/visit"
)

// The line between a visitor and the servers.
const (
	lineRate = 10e6 / 8 // bytes a second
	lineTrip = 50 * time.Millisecond
)

// sampleSize is the size of what stands in for a client's build, in bytes: that of OR3 Chat's text.
const sampleSize = 12 << 20

// benchVisit compares a first visit to a client with one to the same files at nginx with brotli. Each of ours comes to
// a server that has just been started and has compressed nothing.
func (b *bench) benchVisit(ctx context.Context) error {
	client, what := b.client, "the client that was given"
	if client == "" {
		client, what = b.Path("client"), fmt.Sprintf("%d MiB like a client's build", sampleSize>>20)
		if err := visit.Sample(client, filepath.Join(b.Root, "web/page/assets"), sampleSize); err != nil {
			return err
		}
	}
	other, err := b.startBrotli(ctx, client)
	if err != nil {
		return err
	}
	defer other.Stop()

	b.Report.Section("First visit", fmt.Sprintf("%s, over a line of 10 Mbit/s with a round trip of %v, %d connections, against nginx with brotli", what, lineTrip, visit.Connections))
	var ours, again, theirs visited
	started := 0
	var srv *process.Server
	defer func() {
		if srv != nil {
			srv.Stop()
		}
	}()
	err = measure.Interleave(b.Rounds,
		measure.Step{
			Prepare: func() (err error) {
				if srv != nil {
					if err := srv.Stop(); err != nil {
						return err
					}
				}
				started++
				srv, err = process.Cloud{Web: client, Binary: b.This().Binary, Data: b.Path(fmt.Sprintf("visit/%d/data", started))}.Start()
				return err
			},
			Run: func() error { return ours.visit(ctx, srv.Addr) },
		},
		measure.Step{Run: func() error { return theirs.visit(ctx, other.Addr) }},
		measure.Step{Run: func() error { return again.visit(ctx, srv.Addr) }},
	)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name string
		*visited
	}{{"OR3 Cloud, just started", &ours}, {"OR3 Cloud, the next visitor", &again}, {"nginx", &theirs}} {
		b.Report.Figure(v.name+", s", v.all.String(), fmt.Sprintf("%s s until the page is there; %d files, %.2f MB on the line: %s", v.page, v.files, v.bytes.Median()/1e6, v.codings))
	}
	for _, t := range []struct {
		name         string
		ours, theirs measure.Series
	}{
		{"First visit, against nginx with brotli", ours.all, theirs.all},
		{"First visit until the page is there, against nginx with brotli", ours.page, theirs.page},
	} {
		ratio := t.ours.Median() / t.theirs.Median()
		b.Report.Target(t.name, "≤ 1.10 ×", fmt.Sprintf("%.2f ×", ratio), ratio <= 1.10)
	}
	return nil
}

// visited are the visits to one server.
type visited struct {
	page, all, bytes measure.Series // seconds, bytes
	files            int
	codings          string
}

// visit goes there once more, over a line of its own.
func (v *visited) visit(ctx context.Context, server string) error {
	l, err := line.Open(server, lineRate, lineTrip)
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := visit.First(ctx, l.Addr)
	if err != nil {
		return err
	}
	v.page, v.all, v.bytes = append(v.page, r.Page.Seconds()), append(v.all, r.All.Seconds()), append(v.bytes, float64(l.Bytes()))
	var parts []string
	for _, coding := range slices.Sorted(maps.Keys(r.Codings)) {
		name := coding
		if coding == "" {
			name = "as it is"
		}
		parts = append(parts, fmt.Sprintf("%d %s", r.Codings[coding], name))
	}
	v.files, v.codings = r.Files, strings.Join(parts, ", ")
	return nil
}

// startBrotli serves a client by nginx from Debian's packages, with its usual levels of brotli and gzip, and the files
// that the build has compressed where there are any.
func (b *bench) startBrotli(ctx context.Context, root string) (*process.Server, error) {
	var programs []string
	for _, file := range [][2]string{
		{"nginx", "usr/sbin/nginx"},
		{"libnginx-mod-http-brotli-filter", "usr/lib/nginx/modules/ngx_http_brotli_filter_module.so"},
		{"libnginx-mod-http-brotli-static", "usr/lib/nginx/modules/ngx_http_brotli_static_module.so"},
	} {
		program, err := b.debian(ctx, file[0], file[1])
		if err != nil {
			return nil, err
		}
		programs = append(programs, program)
	}
	shell := "/index.html"
	if _, err := os.Stat(filepath.Join(root, "200.html")); err == nil {
		shell = "/200.html"
	}
	types := "text/css text/plain text/javascript application/javascript application/json application/manifest+json image/svg+xml image/x-icon application/wasm"
	return nginx{
		bin: programs[0], modules: programs[1:],
		http: `types { text/html html; text/css css; text/javascript js mjs; application/json json map; application/manifest+json webmanifest; image/svg+xml svg;
  image/x-icon ico; image/png png; image/webp webp; font/woff2 woff2; application/wasm wasm; }
  brotli on; brotli_static on; brotli_types ` + types + "; gzip on; gzip_static on; gzip_vary on; gzip_types " + types + ";",
		server: "root " + root + "; location / { try_files $uri $uri/index.html $uri.html " + shell + "; }",
	}.start(b.Path("nginx-visit/data"))
}
