// Package report writes down what was measured, as text while it is measured and as Markdown in the end.
package report

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Report collects what was measured, in the order of the measurements.
type Report struct {
	Out     io.Writer // progress
	Started time.Time
	Short   bool // a run for development

	sections []section
	targets  []target
}

type section struct {
	title, note string
	figures     []figure
}

type figure struct{ name, value, note string }

type target struct {
	name, want, got string
	met             bool
}

// Section begins a table.
func (r *Report) Section(title, note string) {
	r.sections = append(r.sections, section{title: title, note: note})
	fmt.Fprintf(r.Out, "\n%s (%s)\n", title, note)
}

// Figure adds a row to the last table.
func (r *Report) Figure(name, value, note string) {
	s := &r.sections[len(r.sections)-1]
	s.figures = append(s.figures, figure{name, value, note})
	fmt.Fprintf(r.Out, "  %-48s %-28s %s\n", name, value, note)
}

// Target adds what was to be reached, and whether it was.
func (r *Report) Target(name, want, got string, met bool) {
	r.targets = append(r.targets, target{name, want, got, met})
}

func verdict(met bool) string {
	if met {
		return "met"
	}
	return "**not met**"
}

// Markdown writes the report as Markdown.
func (r *Report) Markdown(w io.Writer) {
	p := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	p("# Benchmarks\n\nWritten by `make bench` on %s. Figures of another day or machine do not compare; the ratios do.\n\n", r.Started.UTC().Format("2 January 2006, 15:04 UTC"))
	if r.Short {
		p("**This is a short run, for development: too short to be quoted.**\n\n")
	}
	p("## Machine\n\n%s\n\n", machine())
	p("## Targets\n\n| | Target | Measured | |\n|---|---|---|---|\n")
	for _, t := range r.targets {
		p("%s", t.row())
	}
	for _, s := range r.sections {
		p("\n%s", s.text())
	}
	p("\n%s", method)
}

func (t target) row() string {
	return fmt.Sprintf("| %s | %s | %s | %s |\n", t.name, t.want, t.got, verdict(t.met))
}

func (s section) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s.\n\n| | |  |\n|---|---|---|\n", s.title, strings.ToUpper(s.note[:1])+s.note[1:])
	for _, f := range s.figures {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.name, f.value, f.note)
	}
	return b.String()
}

// Update replaces what was measured in a file of results, and adds what is not in it yet. The sections say of when they are.
func (r *Report) Update(name string) error {
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	parts := strings.Split(strings.TrimSuffix(string(old), "\n"), "\n## ")
	at := func(title string) int {
		return slices.IndexFunc(parts, func(part string) bool { return strings.HasPrefix(part, title+"\n") })
	}
	end, targets := at("Method"), at("Targets")
	if end < 0 || targets < 0 {
		return fmt.Errorf("%s is no file of results", name)
	}
	parts[end] = strings.TrimSuffix(strings.TrimPrefix(method, "## "), "\n")
	for _, t := range r.targets {
		lines := strings.Split(parts[targets], "\n")
		row := strings.TrimSuffix(t.row(), "\n")
		if i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "| "+t.name+" |") }); i >= 0 {
			lines[i] = row
		} else {
			lines = slices.Insert(lines, len(lines)-1, row) // before the empty line at the end
		}
		parts[targets] = strings.Join(lines, "\n")
	}
	for _, s := range r.sections {
		s.note += r.Started.UTC().Format("; measured on 2 January 2006, 15:04 UTC")
		text := strings.TrimPrefix(s.text(), "## ")
		if i := at(s.title); i >= 0 {
			parts[i] = text
		} else {
			parts = slices.Insert(parts, at("Method"), text)
		}
	}
	return os.WriteFile(name, []byte(strings.Join(parts, "\n## ")+"\n"), 0o644)
}

// PrintTargets prints the verdicts.
func (r *Report) PrintTargets() {
	fmt.Fprintf(r.Out, "\nTargets\n")
	for _, t := range r.targets {
		fmt.Fprintf(r.Out, "  %-60s %-10s %-16s %s\n", t.name, t.want, t.got, verdict(t.met))
	}
}

const method = `## Method

Server and clients share one machine and talk over loopback, so the clients' own cost is in every figure of a server; the driver alone has
neither. Every client is a closed loop on a connection of its own: it sends the next request when the last one is answered, with the cookies of a
session of its own. Clients use a lean HTTP client (` + "`client.go`" + `), the same for both servers. Measurements are interleaved: each round runs all
of a table once, with a fixed amount of work; a figure is the median of the rounds, with the range. Every answer is checked for its number of
results or rows.

* **Records** are the recorded traffic of real clients in ` + "`testdata/captured/push-corpus.jsonl`" + `, about 1.9 kB an op as JSON: seven tables, new rows, updates and
  deletes. Each pass gives all ids new digits, so that every pass has the same mix again.
* **Driver alone** (` + "`internal/driver`" + `): the product's migrations, pragmas (WAL, ` + "`synchronous=FULL`" + `) and driver API in one process, one
  goroutine, without HTTP, JSON or checks. Its statements are those that every implementation of the schema needs for an op.
* **OR3 Cloud** is the released build, default configuration except ` + "`OR3_LIMITS_ENABLED=false`" + ` and ` + "`OR3_LOG_LEVEL=warn`" + ` (no line for each request).
* **PocketBase** v0.39.6 as a Go library in a process of its own: ` + "`--dev=false`" + `, request log and rate limits off, batch API on; one collection with the columns of an
  op, its payload as a JSON field, and a unique index on the op id. Its batches are atomic, as a push is not.
* **Memory** is the resident set in ` + "`/proc`" + `, peaks are the kernel's own high-water mark, reset before the measurement. MB are 10^6 bytes.
* **Files**: nginx from Debian's packages serves the very file in the server's store, by ` + "`sendfile`" + `, with one process and no log. The copy is one process that reads the
  same bytes from the page cache, takes their SHA-256, writes them and waits for the fsync. The server does all that and takes the digests of blocks, over a connection;
  downloads verify each block before it goes out. Before each step that writes, the disk has settled. Ratios are of the best round of each side, because
  other work on the machine only ever makes a round slower. The many transfers are checked byte for byte, and all begin at the same moment, each on a connection of its own.
* **First visit** (` + "`visit.go`" + `): the page, what it names, and then what its service worker stores, over six connections as a browser does, all through a proxy that lets
  10 Mbit/s through in each direction and holds everything back for 25 ms; a new connection waits for 50 ms more. Losses and TCP's slow start are not part of it. OR3 Cloud has just been started
  and has compressed nothing; nginx from Debian's packages compresses by its usual levels on every visit. ` + "`-client DIR`" + ` takes a real build.
* **Hosts on Node** (` + "`nuxt.go`" + `): the Nuxt host of ` + "`npm/host-fixture`" + ` with our packages, built as its tests build it, in the form of the newest OR3 Chat; its engine is the
  build that is measured everywhere else. ` + "`-chat DIR`" + ` and ` + "`-upstream DIR`" + ` add OR3 Chat itself, built by Nuxt elsewhere: with our packages, and with the packages for Node of the same
  names, whose stores are in the host's own process. All have 10,000 ops in one workspace and are started again before anything is measured. Memory is that of the host and all that it
  has started, peaks are the sum of each process's peak. An empty poll at rest is one device on one connection to a host that does nothing else. The same poll of a foreign
  workspace passes all that the host does itself, the session included, and is refused before the engine is asked: the difference is what the engine adds, its own work on the
  poll included. Limits of the hosts are off.
* Databases with a history are written by the provider itself, without HTTP and with ` + "`synchronous=OFF`" + `, before the measurement.
`

// machine describes where the run took place, without names.
func machine() string {
	return fmt.Sprintf("%s, %d cores, %s of memory, Linux %s, %s, %s.", cpuModel(), runtime.NumCPU(), memoryTotal(), kernel(), runtime.Version(), fileSystem())
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if _, name, ok := strings.Cut(line, "model name\t: "); ok {
			return strings.TrimSpace(name)
		}
	}
	return runtime.GOARCH
}

func memoryTotal() string {
	text, _ := os.ReadFile("/proc/meminfo")
	var kb float64
	fmt.Sscanf(string(text), "MemTotal: %f kB", &kb)
	return fmt.Sprintf("%.0f GB", kb*1024/1e9)
}

func kernel() string {
	text, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(text))
}

func fileSystem() string {
	out, err := exec.Command("stat", "-f", "-c", "%T", os.TempDir()).Output()
	if err != nil {
		return "unknown file system"
	}
	return strings.TrimSpace(string(out))
}
