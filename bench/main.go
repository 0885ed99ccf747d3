// Command bench measures OR3 Cloud against the SQLite driver alone and against PocketBase on one machine, prints what
// it found and writes it to RESULTS.md. It is a module of its own, so that the product depends on nothing of it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/pocketbase"
	"or3.chat/cloud/bench/internal/report"
)

// bench is one run.
type bench struct {
	root, dir, binary string
	client            string // directory of a client's build; "" if there is none
	// What Nuxt has built: our own host, OR3 Chat with our packages, OR3 Chat with upstream's; "" if there is none.
	fixture, chat, upstream string
	short                   bool
	rounds                  int
	corpus                  *corpus.Corpus
	report                  *report.Report
}

// path returns a path in the run's own directory.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// ops scales an amount of work.
func (b *bench) ops(n int) int {
	if b.short {
		return n / 4
	}
	return n
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == pbCommand {
		exit(pocketbase.Serve(os.Args[2:], batch))
	}
	var (
		short    = flag.Bool("short", false, "a run of two minutes, for development")
		root     = flag.String("root", "..", "directory of the product's module")
		out      = flag.String("o", "RESULTS.md", "file for the results")
		profile  = flag.String("profile", "", "write CPU and allocation profiles of the server to this directory, and measure nothing")
		update   = flag.Bool("update", false, "with -only: replace these measurements in the file for the results")
		fixture  = flag.String("fixture", "", "directory that npm/host-fixture/scripts/run.mjs newest has kept; without it the host is built")
		chat     = flag.String("chat", os.Getenv("OR3_BENCH_CHAT"), "directory that Nuxt has built of OR3 Chat with our packages (.output)")
		upstream = flag.String("upstream", os.Getenv("OR3_BENCH_UPSTREAM"), "the same with the packages for Node, to compare with")
		client   = flag.String("client", "", "directory with a build of a client, for the first visit; without it one that is like it is made")
		only     = flag.String("only", "", "comma-separated names of the measurements to run: "+strings.Join(names(), ", "))
	)
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b := &bench{client: *client, fixture: *fixture, chat: *chat, upstream: *upstream, short: *short}
	exit(run(ctx, *root, *out, *profile, *only, b, *update))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// measurements in the order of a run.
var measurements = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"push", (*bench).benchPush},
	{"pull", (*bench).benchPull},
	{"history", (*bench).benchHistory},
	{"workspaces", (*bench).benchWorkspaces},
	{"start", (*bench).benchStart},
	{"events", (*bench).benchEvents},
	{"files", (*bench).benchFiles},
	{"stream", (*bench).benchStream},
	{"visit", (*bench).benchVisit},
	{"hosts", (*bench).benchHosts},
}

func names() (out []string) {
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return out
}

func run(ctx context.Context, root, out, profile, only string, b *bench, update bool) (err error) {
	debug.SetGCPercent(400) // our own garbage must not take the processor from the servers
	if root, err = filepath.Abs(root); err != nil {
		return err
	}
	for _, folder := range []*string{&b.client, &b.fixture, &b.chat, &b.upstream} {
		if *folder != "" {
			if *folder, err = filepath.Abs(*folder); err != nil {
				return err
			}
		}
	}
	b.root, b.rounds = root, 5
	if b.short {
		b.rounds = 3
	}
	b.report = &report.Report{Out: os.Stdout, Started: time.Now(), Short: b.short}
	if b.corpus, err = corpus.Load(filepath.Join(root, "testdata/captured/push-corpus.jsonl")); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "or3-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	b.binary = b.path("or3-cloud")
	if profile != "" {
		return b.profile(ctx, profile)
	}
	if err := buildServer(ctx, root, b.binary, ""); err != nil {
		return fmt.Errorf("build or3-cloud: %w", err)
	}
	for _, m := range measurements {
		if only != "" && !slices.Contains(strings.Split(only, ","), m.name) {
			continue
		}
		if err := m.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	b.report.PrintTargets()
	fmt.Fprintf(os.Stdout, "\n%v in all\n", time.Since(b.report.Started).Round(time.Second))
	switch {
	case only != "" && update:
		return b.report.Update(out)
	case only != "":
		return nil
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	b.report.Markdown(f)
	return f.Close()
}
