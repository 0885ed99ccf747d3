// Command bench measures OR3 Cloud on one machine against what the machine can do and against others, prints what it
// found and writes it to RESULTS.md. With -against it measures another build in the same rounds. It is a module of its
// own, so that the product depends on nothing of it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"or3.chat/cloud/bench/internal/ceiling"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/pocketbase"
	"or3.chat/cloud/bench/internal/process"
	"or3.chat/cloud/bench/internal/report"
	"or3.chat/cloud/bench/internal/run"
	"or3.chat/cloud/bench/internal/syncbench"
)

// bench is one run.
type bench struct {
	*run.Run
	client string // directory of a client's build; "" if there is none
	// What Nuxt has built: our own host, OR3 Chat with our packages, OR3 Chat with upstream's; "" if there is none.
	fixture, chat, upstream string
	histories               []int64
}

func main() {
	if len(os.Args) > 2 {
		switch os.Args[1] {
		case pocketbase.Command:
			ops, err := strconv.Atoi(os.Args[2])
			if err == nil {
				err = pocketbase.Serve(os.Args[3:], ops)
			}
			exit(err)
		case ceiling.Command:
			exit(ceiling.Serve(os.Args[2:]))
		}
	}
	var o options
	flag.BoolVar(&o.short, "short", false, "a run with a quarter of the work, for development")
	flag.Float64Var(&o.scale, "scale", 1, "how much of the work is done; below 1 the figures are not to be quoted")
	flag.IntVar(&o.rounds, "rounds", 5, "how many rounds")
	flag.StringVar(&o.root, "root", "..", "directory of the product's module")
	flag.StringVar(&o.out, "o", "RESULTS.md", "file for the results")
	flag.StringVar(&o.json, "json", "", "file for the results as lines of JSON; a run of everything writes RESULTS.jsonl beside -o")
	flag.StringVar(&o.profile, "profile", "", "write CPU and allocation profiles of the server to this directory, and measure nothing")
	flag.BoolVar(&o.update, "update", false, "with -only: replace these measurements in the file for the results")
	flag.StringVar(&o.against, "against", "", "another build of or3-cloud, such as the release before, that is measured in the same rounds")
	flag.StringVar(&o.histories, "histories", "1e4,1e6", "sizes of the histories, in entries; 1e7 takes up to 25 GB of disk for each build, and an hour")
	flag.DurationVar(&o.soak, "soak", 0, "keep a server at full load for so long, with collection, and say whether memory and files stay flat; measure nothing else")
	flag.StringVar(&o.only, "only", "", `comma-separated names of the measurements to run, "sync" for all of sync: `+strings.Join(names(), ", "))
	b := &bench{Run: &run.Run{}}
	flag.StringVar(&b.fixture, "fixture", "", "directory that npm/host-fixture/scripts/run.mjs newest has kept; without it the host is built")
	flag.StringVar(&b.chat, "chat", os.Getenv("OR3_BENCH_CHAT"), "directory that Nuxt has built of OR3 Chat with our packages (.output)")
	flag.StringVar(&b.upstream, "upstream", os.Getenv("OR3_BENCH_UPSTREAM"), "the same with the packages for Node, to compare with")
	flag.StringVar(&b.client, "client", "", "directory with a build of a client, for the first visit; without it one that is like it is made")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(b.measure(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// options are the flags that say what is done.
type options struct {
	short, update                                      bool
	scale                                              float64
	rounds                                             int
	soak                                               time.Duration
	root, out, json, profile, against, histories, only string
}

// measurements in the order of a run.
var measurements = []struct {
	name string
	sync bool
	run  func(*bench, context.Context) error
}{
	{"push", true, ofSync((*syncbench.Bench).Push)},
	{"pull", true, ofSync((*syncbench.Bench).Pull)},
	{"history", true, ofSync((*syncbench.Bench).History)},
	{"million", true, ofSync((*syncbench.Bench).Million)},
	{"workspaces", true, ofSync((*syncbench.Bench).Workspaces)},
	{"start", true, ofSync((*syncbench.Bench).Start)},
	{"live", true, ofSync((*syncbench.Bench).Live)},
	{"files", false, (*bench).benchFiles},
	{"stream", false, (*bench).benchStream},
	{"visit", false, (*bench).benchVisit},
	{"hosts", false, (*bench).benchHosts},
}

func ofSync(measure func(*syncbench.Bench, context.Context) error) func(*bench, context.Context) error {
	return func(b *bench, ctx context.Context) error {
		return measure(&syncbench.Bench{Run: b.Run, Histories: b.histories}, ctx)
	}
}

func names() (out []string) {
	for _, m := range measurements {
		out = append(out, m.name)
	}
	return out
}

// chosen are the names that -only gives; all without it.
func chosen(only string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, name := range strings.Split(only, ",") {
		if only != "" && name != "sync" && !slices.Contains(names(), name) {
			return nil, fmt.Errorf("-only: there is no measurement %q", name)
		}
		for _, m := range measurements {
			out[m.name] = out[m.name] || only == "" || name == m.name || name == "sync" && m.sync
		}
	}
	return out, nil
}

// entries reads the sizes of histories.
func entries(list string) (out []int64, err error) {
	for _, text := range strings.Split(list, ",") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f < 1 {
			return nil, fmt.Errorf("-histories: %q is not a number of entries", text)
		}
		out = append(out, int64(f))
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (b *bench) measure(ctx context.Context, o options) (err error) {
	debug.SetGCPercent(400) // our own garbage must not take the processor from the servers
	for _, folder := range []*string{&o.root, &o.against, &b.client, &b.fixture, &b.chat, &b.upstream} {
		if *folder != "" {
			if *folder, err = filepath.Abs(*folder); err != nil {
				return err
			}
		}
	}
	todo, err := chosen(o.only)
	if err != nil {
		return err
	}
	if b.histories, err = entries(o.histories); err != nil {
		return err
	}
	if o.scale <= 0 || o.rounds < 1 {
		return errors.New("-scale and -rounds must be above 0")
	}
	b.Root, b.Rounds, b.Scale = o.root, o.rounds, o.scale
	if o.short {
		b.Rounds, b.Scale = min(b.Rounds, 3), b.Scale/4
	}
	b.Report = &report.Report{Out: os.Stdout, Started: time.Now(), Short: b.Scale < 1}
	if b.Corpus, err = corpus.Load(filepath.Join(o.root, "testdata/captured/push-corpus.jsonl")); err != nil {
		return err
	}
	if b.Dir, err = os.MkdirTemp("", "or3-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.Dir)
	b.Builds = []run.Build{{Name: "OR3 Cloud", Key: "this", Binary: b.Path("or3-cloud")}}
	switch {
	case o.profile != "":
		return b.profile(ctx, o.profile)
	case o.soak != 0:
		return b.soak(ctx, o)
	}
	if err := process.Build(ctx, o.root, b.This().Binary); err != nil {
		return fmt.Errorf("build or3-cloud: %w", err)
	}
	if o.against != "" {
		b.Builds = append(b.Builds, run.Build{Name: "the build before", Key: "before", Binary: o.against})
	}
	if o.json == "" && o.only == "" {
		o.json = strings.TrimSuffix(o.out, ".md") + ".jsonl"
	}
	for _, m := range measurements {
		if !todo[m.name] {
			continue
		}
		if err := errors.Join(m.run(b, ctx), ctx.Err()); err != nil {
			return errors.Join(fmt.Errorf("%s: %w", m.name, err), b.saveRecords(o))
		}
	}
	b.Report.PrintTargets()
	fmt.Fprintf(os.Stdout, "\n%v in all\n", time.Since(b.Report.Started).Round(time.Second))
	return b.save(o)
}

// soak runs the soak alone. What it finds goes into the file for the results with -update only.
func (b *bench) soak(ctx context.Context, o options) error {
	if err := (&syncbench.Bench{Run: b.Run}).Soak(ctx, o.soak); err != nil {
		return fmt.Errorf("soak: %w", err)
	}
	b.Report.PrintTargets()
	o.only = "soak"
	return b.save(o)
}

// save writes the results where they belong.
func (b *bench) save(o options) error {
	if err := b.saveRecords(o); err != nil {
		return err
	}
	switch {
	case o.only == "":
		return write(o.out, b.Report.Markdown)
	case o.update:
		return b.Report.Update(o.out)
	}
	return nil
}

// saveRecords writes what there is so far for programs.
func (b *bench) saveRecords(o options) error {
	if o.json == "" {
		return nil
	}
	return write(o.json, b.Report.WriteRecords)
}

func write(name string, content func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(content(f), f.Close())
}
