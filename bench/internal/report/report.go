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
	records  []Record
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

// Target adds a target, and whether it was reached.
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
func (r *Report) Markdown(w io.Writer) error {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
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
	_, err := io.WriteString(w, b.String())
	return err
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

// Update replaces what was measured in a file of results, and adds what is not in it yet. The sections say of when they
// are.
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
		return fmt.Errorf("%s is not a file of results", name)
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
