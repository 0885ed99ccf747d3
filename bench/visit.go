package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"or3.chat/cloud/bench/internal/line"
	"or3.chat/cloud/bench/internal/visit"
)

// The line between a visitor and the servers.
const (
	lineRate = 10e6 / 8 // bytes a second
	lineTrip = 50 * time.Millisecond
)

// sampleSize is the size of what stands in for a client's build, in bytes: that of OR3 Chat's text.
const sampleSize = 12 << 20

// benchVisit compares a first visit to a client with one to the same files at nginx with brotli. Each of ours comes to a server that has
// just been started and has compressed nothing.
func (b *bench) benchVisit(ctx context.Context) error {
	client, what := b.client, "the client that was given"
	if client == "" {
		client, what = b.path("client"), fmt.Sprintf("%d MiB like a client's build", sampleSize>>20)
		if err := visit.Sample(client, filepath.Join(b.root, "web/page/assets"), sampleSize); err != nil {
			return err
		}
	}
	other, err := b.startBrotli(ctx, client)
	if err != nil {
		return err
	}
	defer other.stop()

	b.report.Section("First visit", fmt.Sprintf("%s, over a line of 10 Mbit/s with a round trip of %v, %d connections, against nginx with brotli", what, lineTrip, visit.Connections))
	var ours, again, theirs visited
	started := 0
	var srv *server
	defer func() {
		if srv != nil {
			srv.stop()
		}
	}()
	err = interleave(b.rounds,
		step{
			prepare: func() (err error) {
				if srv != nil {
					if err := srv.stop(); err != nil {
						return err
					}
				}
				started++
				srv, err = startServing(client, b.binary, b.path(fmt.Sprintf("visit/%d/data", started)))
				return err
			},
			run: func() error { return ours.visit(ctx, srv.addr) },
		},
		step{run: func() error { return theirs.visit(ctx, other.addr) }},
		step{run: func() error { return again.visit(ctx, srv.addr) }},
	)
	if err != nil {
		return err
	}
	for _, v := range []struct {
		name string
		*visited
	}{{"OR3 Cloud, just started", &ours}, {"OR3 Cloud, the next visitor", &again}, {"nginx", &theirs}} {
		b.report.Figure(v.name+", s", v.all.String(), fmt.Sprintf("%s s until the page is there; %d files, %.2f MB on the line: %s", v.page, v.files, v.bytes.median()/1e6, v.codings))
	}
	for _, t := range []struct {
		name         string
		ours, theirs series
	}{
		{"First visit, against nginx with brotli", ours.all, theirs.all},
		{"First visit until the page is there, against nginx with brotli", ours.page, theirs.page},
	} {
		ratio := t.ours.median() / t.theirs.median()
		b.report.Target(t.name, "≤ 1.10 ×", fmt.Sprintf("%.2f ×", ratio), ratio <= 1.10)
	}
	return nil
}

// visited are the visits to one server.
type visited struct {
	page, all, bytes series // seconds, bytes
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

// startBrotli serves a client by nginx from Debian's packages, with its usual levels of brotli and gzip, and the files that the build
// has compressed where there are any.
func (b *bench) startBrotli(ctx context.Context, root string) (*server, error) {
	var programs []string
	for _, file := range []string{
		"nginx usr/sbin/nginx", "libnginx-mod-http-brotli-filter usr/lib/nginx/modules/ngx_http_brotli_filter_module.so",
		"libnginx-mod-http-brotli-static usr/lib/nginx/modules/ngx_http_brotli_static_module.so",
	} {
		cmd := exec.CommandContext(ctx, filepath.Join(b.root, "scripts/debian"), strings.Fields(file)...)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("scripts/debian %s: %w", file, err)
		}
		programs = append(programs, strings.TrimSpace(string(out)))
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
	}.start(b.path("nginx-visit/data"))
}
