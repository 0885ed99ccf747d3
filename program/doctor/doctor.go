// Package doctor examines an installation as it would be started from here, or as it runs, and says what is wrong with
// it, why that matters and how to fix it. It includes the checks of a start; this package has what a start cannot know
// or should not have to wait for. It changes nothing.
package doctor

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/internal/diskspace"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/setting"
)

// Severity says how serious a finding is.
type Severity string

// The severities.
const (
	// Error keeps the server from starting, people from using it, or data from being safe.
	Error Severity = "error"
	// Warning is something that an operator should know. It may be intended.
	Warning Severity = "warning"
)

// Area is what was examined.
type Area string

// The areas, in the order of the report.
const (
	AreaConfiguration Area = "configuration"
	AreaCombination   Area = "combination"
	AreaSecrets       Area = "secrets"
	AreaProviders     Area = "providers"
	AreaData          Area = "data"
	AreaDisk          Area = "disk"
	AreaClock         Area = "clock"
	AreaAddress       Area = "address"
	AreaPublicURL     Area = "public-url"
	AreaMail          Area = "mail"
	AreaModels        Area = "models"
)

// Finding is one thing that is wrong.
type Finding struct {
	Severity Severity `json:"severity"`
	Area     Area     `json:"area"`
	or3cloud.Problem
}

// String is the finding as one line: what, why it matters, the fix.
func (f Finding) String() string {
	what := f.Problem
	fix := what.Fix
	what.Fix = ""
	text := logx.Redact(fmt.Sprintf("%s: %s", f.Severity, strings.TrimSuffix(what.String(), ".")))
	if fix != "" { // it is ours, and its examples look like addresses and passwords
		text += ". Fix: " + fix
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) { // paths and answers of others may contain control sequences
			return '\ufffd'
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
}

// Report is everything that was found.
type Report struct {
	// Host is the kind of host that was examined: setup.HostProgram or setup.HostNuxt.
	Host setup.Host `json:"host"`
	// OK says that there is no error.
	OK       bool      `json:"ok"`
	Errors   int       `json:"errors"`
	Warnings int       `json:"warnings"`
	Findings []Finding `json:"findings"`
	// Examined are the areas that were examined. The others do not apply here, or were skipped.
	Examined []Area `json:"examined"`
}

// Print writes a line for each finding, and one with the areas that were examined.
func (r Report) Print(w io.Writer) error {
	for _, f := range r.Findings {
		fmt.Fprintln(w, f)
	}
	var areas []string
	for _, a := range r.Examined {
		areas = append(areas, string(a))
	}
	looked := "Looked at"
	if r.Host == setup.HostNuxt {
		looked += " as a Nuxt host"
	}
	_, err := fmt.Fprintf(w, "%s, %s. %s: %s.\n", count(r.Errors, "error"), count(r.Warnings, "warning"), looked, strings.Join(areas, ", "))
	return err
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// Subject is what is examined, and with what.
type Subject struct {
	Config   *config.Config
	Registry *or3cloud.Registry
	// Problems and Warnings are those of loading the configuration.
	Problems, Warnings []or3cloud.Problem
	// DataDir is the absolute path of the data directory; empty where nothing is stored.
	DataDir string
	// Web is the directory of the client; empty for the built-in page.
	Web string
	// Nuxt is the directory of a Nuxt host; empty for this program. Where such a host listens, and what its proxy
	// sends, is its own business.
	Nuxt string
	// Running says that a server has the data directory open.
	Running bool
	// Offline skips what contacts other machines.
	Offline bool
	// Listen listens as the server would, or says why it could not. It returns nil if trying would change something.
	Listen func() (net.Listener, error)
	// Arrived asks the running server how a request with a mark arrived (middleware.MarkParameter), and whether it did;
	// an error means that it cannot tell. It is nil if no server runs.
	Arrived func(ctx context.Context, mark string) (id httpapi.Identity, known bool, err error)
	// Identify adds to a request what the server derives from the way it arrived (httpapi.IdentityOf).
	Identify httpapi.Middleware
	// Built is the time of this program's sources; zero if that is not known.
	Built time.Time
	Now   func() time.Time
	// Measure measures a file system; nil asks the operating system.
	Measure func(dir string) (diskspace.Usage, error)
	// Client sends requests to the public URL; nil is one that trusts the authorities of the system.
	Client *http.Client
}

// The deadlines of checks that contact others.
const (
	askPatience  = 10 * time.Second
	mailPatience = 20 * time.Second
)

// Examine examines everything. It takes as long as the slowest of the servers that it contacts, and ends early with
// ctx.
func Examine(ctx context.Context, s Subject) Report {
	if s.Measure == nil {
		s.Measure = diskspace.Measure
	}
	e := &examination{Subject: s}
	e.configuration()
	e.combinations()
	e.secrets()
	e.superAdmin(ctx)
	e.providers(ctx)
	e.data()
	e.clock()
	if s.Nuxt == "" {
		e.address(ctx)
	}
	if !s.Offline {
		var asked sync.WaitGroup
		if s.Nuxt == "" {
			asked.Go(func() { e.publicURL(ctx) })
		}
		asked.Go(func() { e.mail(ctx) })
		asked.Go(func() { e.models(ctx) })
		asked.Wait()
	}
	if e.listener != nil {
		_ = e.listener.Close()
	}
	return e.report()
}

// examination is one run of Examine.
type examination struct {
	Subject
	listener net.Listener // at the server's address if no server is running; nil if there is none

	mu       sync.Mutex
	examined []Area
	findings []Finding
}

// look notes that an area is examined.
func (e *examination) look(at Area) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.examined = append(e.examined, at)
}

// find adds findings, each once: a directory may hold several stores.
func (e *examination) find(severity Severity, at Area, problems ...or3cloud.Problem) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range problems {
		if f := (Finding{severity, at, p}); !slices.Contains(e.findings, f) {
			e.findings = append(e.findings, f)
		}
	}
}

func (e *examination) report() Report {
	order := []Area{
		AreaConfiguration, AreaCombination, AreaSecrets, AreaProviders, AreaData, AreaDisk, AreaClock, AreaAddress, AreaPublicURL, AreaMail, AreaModels,
	}
	place := func(a Area) int { return slices.Index(order, a) }
	slices.SortFunc(e.examined, func(a, b Area) int { return place(a) - place(b) })
	r := Report{Host: setup.HostProgram, Findings: []Finding{}, Examined: slices.Compact(e.examined)}
	if e.Nuxt != "" {
		r.Host = setup.HostNuxt
	}
	for _, severity := range []Severity{Error, Warning} {
		of := slices.DeleteFunc(slices.Clone(e.findings), func(f Finding) bool { return f.Severity != severity })
		slices.SortStableFunc(of, func(a, b Finding) int { return place(a.Area) - place(b.Area) })
		for i := range of {
			of[i].Fault, of[i].Why = logx.Redact(of[i].Fault), logx.Redact(of[i].Why)
		}
		r.Findings = append(r.Findings, of...)
		if severity == Error {
			r.Errors = len(of)
		} else {
			r.Warnings = len(of)
		}
	}
	r.OK = r.Errors == 0
	return r
}

// configuration reports what the start reports.
func (e *examination) configuration() {
	e.look(AreaConfiguration)
	because := func(problems []or3cloud.Problem, why string) []or3cloud.Problem {
		problems = slices.Clone(problems)
		for i := range problems {
			problems[i].Why = cmp.Or(problems[i].Why, why)
			problems[i].Fix = cmp.Or(problems[i].Fix, "Correct or remove it; or3-cloud config shows what is read.")
		}
		return problems
	}
	e.find(Error, AreaConfiguration, because(e.Problems, "the server does not start with it")...)
	e.find(Warning, AreaConfiguration, because(e.Warnings, "the server starts, but perhaps not as intended")...)
	e.find(Warning, AreaConfiguration, e.checked()...)
	e.find(Warning, AreaSecrets, e.Config.Exposed()...)
}

// checked returns what set-up would refuse. A start accepts it, for the sake of existing installations.
func (e *examination) checked() (problems []or3cloud.Problem) {
	relevant := setting.Host()
	for _, id := range e.Config.SelectedProviders() {
		if p, ok := e.Registry.Lookup(id); ok {
			relevant = append(relevant, p.Settings...)
		}
	}
	for _, one := range relevant {
		v, ok := e.Config.Lookup(one.Name)
		if one.Check == nil || !ok || !v.IsSet {
			continue
		}
		if fault, fix := one.Check(v.Text); fault != "" {
			problems = append(problems, or3cloud.Problem{
				Variable: one.Name, Fault: fault, Why: "set-up would not accept it", Fix: cmp.Or(fix, "Set another value, or leave it out."),
			})
		}
	}
	return problems
}

// providers reports those that are missing, and what the others find.
func (e *examination) providers(ctx context.Context) {
	if len(e.Config.Roles()) == 0 {
		return
	}
	e.look(AreaProviders)
	asked := map[string]bool{}
	for _, role := range e.Config.Roles() {
		p, ok := e.Registry.Serving(role.Kind, role.Provider)
		switch {
		case !ok && (e.Nuxt != "" || e.Config.Strict()): // its packages, or the configuration, say so
		case !ok:
			missing := e.Registry.Missing(role.Kind, role.Variable, role.Provider, role.Switch)
			missing.Why = fmt.Sprintf("the server starts without %s", role.Kind)
			e.find(Error, AreaProviders, missing)
		case p.Examine != nil && !asked[p.ID]:
			asked[p.ID] = true
			problems, warnings := p.Examine(ctx, or3cloud.Examination{
				Config: e.Config, Strict: e.Config.Strict(), DataDir: e.DataDir, Room: e.room,
			})
			e.find(Error, AreaProviders, problems...)
			e.find(Warning, AreaProviders, warnings...)
		}
	}
	e.nuxt()
}

// data examines the data directory.
func (e *examination) data() {
	if e.DataDir == "" {
		return
	}
	e.look(AreaData)
	if e.Web != "" && contains(e.Web, e.DataDir) {
		e.find(Error, AreaData, or3cloud.Problem{
			Variable: setting.DataDir, Fault: fmt.Sprintf("%s is in %s, which is served to everyone", e.DataDir, e.Web),
			Why: "databases, files and keys can be downloaded", Fix: "Keep the data directory elsewhere, for example in /var/lib/or3-cloud.",
		})
	}
	problems, warnings := datadir.Inspect(e.DataDir, datadir.Options{Now: e.Now, Shared: e.Config.Bool(setting.SharedVolume)})
	e.find(Error, AreaData, problems...)
	e.find(Warning, AreaData, warnings...)
	e.look(AreaDisk)
	problems, warnings = e.room(setting.DataDir, e.DataDir)
	e.find(Error, AreaDisk, problems...)
	e.find(Warning, AreaDisk, warnings...)
}

// contains reports whether a path is in a directory, or is it, with links resolved.
func contains(dir, path string) bool {
	for _, p := range []*string{&dir, &path} {
		if abs, err := filepath.Abs(*p); err == nil {
			*p = abs
		}
		at := existing(*p)
		if real, err := filepath.EvalSymlinks(at); err == nil {
			*p = filepath.Join(real, strings.TrimPrefix(*p, at))
		}
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// existing is the nearest directory at a path or above it that exists.
func existing(dir string) string {
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			return dir
		}
		dir = filepath.Dir(dir)
	}
}

// mebibyte is 2^20 bytes.
const mebibyte = 1 << 20

// room implements or3cloud.Examination.Room.
func (e *examination) room(variable, dir string) (problems, warnings []or3cloud.Problem) {
	if at := existing(dir); denied(at) != nil {
		problems = append(problems, or3cloud.Problem{
			Variable: variable, Fault: fmt.Sprintf("the server's user cannot create files in %s: %v", at, denied(at)),
			Why: "nothing can be stored", Fix: fmt.Sprintf("Give it to that user: chown -R %d %s, or mount it writable.", os.Geteuid(), at),
		})
	}
	u, err := diskspace.Nearest(dir, e.Measure)
	if err != nil {
		return problems, []or3cloud.Problem{{
			Variable: variable, Fault: fmt.Sprintf("the free space of %s cannot be measured: %v", dir, err),
			Why: "the disk could become full without a warning", Fix: "Give the server's user access to the directory.",
		}}
	}
	if u.Network != "" && !e.Config.Strict() { // strict mode refuses it at the start
		warnings = append(warnings, or3cloud.Problem{
			Variable: variable, Fault: fmt.Sprintf("%s is on a network file system (%s)", dir, u.Network),
			Why: "locks and fsync cannot be relied on there: a database can be damaged", Fix: "Name a directory on a disk of this machine.",
		})
	}
	free := fmt.Sprintf("the file system of %s has %d MiB left of %d", dir, u.Free/mebibyte, u.Total/mebibyte)
	switch diskspace.Judge(u) {
	case diskspace.Full:
		problems = append(problems, or3cloud.Problem{
			Variable: variable, Fault: free, Why: "whatever grows is refused: no upload or new message is stored",
			Fix: "Free some space, or move the directory to a larger disk.",
		})
	case diskspace.Low:
		warnings = append(warnings, or3cloud.Problem{
			Variable: variable, Fault: free, Why: "soon nothing new can be stored", Fix: "Free some space, or move the directory to a larger disk.",
		})
	}
	return problems, warnings
}
