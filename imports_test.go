package or3cloud_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "or3.chat/cloud"

// listed is what "go list" prints about a package.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string // direct
	Deps       []string // all, of the package's non-test files
}

// TestImportRules checks the rules of docs/architecture.md against the packages as they are built: the core imports
// only the standard library, an instance imports neither fronts nor providers, the host imports no provider, providers
// import neither each other nor the host, and a database driver is linked only where it is used.
func TestImportRules(t *testing.T) {
	packages := list(t)
	standard := map[string]bool{"C": true, "unsafe": true}
	ours := map[string]listed{}
	for _, p := range packages {
		if p.Standard {
			standard[p.ImportPath] = true
		}
		if within(p.ImportPath, module) {
			ours[p.ImportPath] = p
		}
	}
	// A rule about a package that does not exist would hold for the wrong reason.
	for _, path := range []string{
		"", "/httpapi", "/instance", "/host", "/host/syncapi", "/setting", "/internal/sqlitex", "/providers/basicauth", "/providers/sqlite", "/providers/fs",
		"/engine", "/operator", "/program", "/program/handover", "/cmd/or3-cloud",
	} {
		if _, ok := ours[module+path]; !ok {
			t.Fatalf("go list does not know %s%s", module, path)
		}
	}
	for within, rooms := range rooms {
		for _, room := range rooms {
			if _, ok := ours[within+room]; !ok {
				t.Fatalf("go list does not know %s%s", within, room)
			}
		}
	}
	for _, p := range ours {
		for within, rooms := range rooms {
			if room, ok := strings.CutPrefix(p.ImportPath, within); ok && !slices.Contains(rooms, room) {
				t.Errorf("%s: say in rooms which others it may know", p.ImportPath)
			}
		}
		for _, dep := range p.Deps {
			if why := forbidden(p.ImportPath, dep, standard[dep]); why != "" {
				t.Errorf("%s depends on %s: %s", p.ImportPath, dep, why)
			}
		}
		for _, imported := range p.Imports {
			if isPure(p.ImportPath) && (imported == "net/http" || imported == "os") {
				t.Errorf("%s imports %s: what all engines share does nothing but compute", p.ImportPath, imported)
			}
			if isDriver(imported) && !mayImportDriver(p.ImportPath) {
				t.Errorf("%s imports %s: only internal/sqlitex and the providers on top of it may", p.ImportPath, imported)
			}
			if within(imported, "github.com/prometheus") && !within(p.ImportPath, module+"/internal/metrics") {
				t.Errorf("%s imports %s: only internal/metrics speaks with monitoring systems", p.ImportPath, imported)
			}
			if within(imported, "go.opentelemetry.io") || within(imported, "google.golang.org/grpc") {
				t.Errorf("%s imports %s, which only builds with the tag otlp may", p.ImportPath, imported)
			}
			if isAuthority(imported) && !within(p.ImportPath, module+"/program/https") {
				t.Errorf("%s imports %s: only program/https speaks with authorities of certificates", p.ImportPath, imported)
			}
		}
	}
}

// list runs "go list" on the module and everything it is built from.
func list(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "./...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var packages []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages
		case err != nil:
			t.Fatalf("go list: %v", err)
		}
		packages = append(packages, p)
	}
}

// Prefixes of the import paths of the providers' rooms.
const (
	accountRoom = module + "/providers/basicauth/internal/"
	fileRoom    = module + "/providers/fs/internal/"
	syncRoom    = module + "/providers/sqlite/internal/"
)

// rooms lists the rooms of the providers. Each may import only those before it.
var rooms = map[string][]string{
	accountRoom: {"db", "refuse", "secret", "form", "store", "onetime", "guard", "letters", "sessions", "factors", "accounts"},
	syncRoom:    {"db", "layout", "block", "engine", "index", "entries", "compact", "fill", "follow", "adminevents", "members", "changelog", "collection", "inspect", "files", "history", "ratewindows", "webhooks", "jobs", "trail"},
	fileRoom: {
		"volume", "refuse", "times", "layout", "digest", "health", "copies", "pieces", "traffic", "room", "uploads", "collection", "readback",
	},
}

// isContract reports whether every package may import this one, as it may the core.
func isContract(dep string) bool {
	return slices.Contains([]string{module + "/setting", module + "/audit", module + "/census", module + "/jobs", module + "/adminevent", module + "/metric"}, dep)
}

// forbidden returns why one of our packages must not depend on another, directly or indirectly, or "" if it may.
func forbidden(path, dep string, standard bool) string {
	switch {
	case path == module:
		if !standard {
			return "the core uses the standard library only"
		}
	case isContract(path):
		if !standard && dep != module {
			return "the host's settings and the contracts beside the core know the core only"
		}
	case within(path, module+"/internal"):
		if within(dep, module) && dep != module && !isContract(dep) && !within(dep, module+"/internal") {
			return "internal packages know the core, the host's settings and each other"
		}
	case within(path, module+"/httpapi"):
		if within(dep, module) && dep != module && !isContract(dep) && !within(dep, module+"/internal") {
			return "what fronts and providers both use knows neither"
		}
		if isDriver(dep) {
			return "HTTP needs no database driver"
		}
	case isPure(path):
		if within(dep, module) && dep != module && !within(dep, module+"/internal") {
			return "what all engines share knows the core and the internal packages"
		}
		if isDriver(dep) || dep == "database/sql" {
			return "what all engines share knows no store"
		}
	case within(path, module+"/instance"):
		if within(dep, module) && dep != module && !isContract(dep) && !within(dep, module+"/internal") {
			return "an instance knows neither its fronts nor its providers"
		}
		if isDriver(dep) {
			return "an instance links no database driver"
		}
	case within(path, module+"/host"):
		if within(dep, module+"/providers") || within(dep, module+"/engine") || isProgram(dep) && dep != module+"/operator" {
			return "the host knows no provider, no other front and not the program around it"
		}
		if isDriver(dep) {
			return "the host links no database driver"
		}
	case within(path, module+"/engine"):
		if within(dep, module+"/providers") || isProgram(dep) || dep == module+"/host" {
			return "the engine knows no provider, not the program around it, and of the host the endpoints alone"
		}
		if isDriver(dep) {
			return "the engine links no database driver"
		}
	case within(path, module+"/providers"):
		own := provider(path)
		if within(dep, module+"/host") || within(dep, module+"/engine") || within(dep, module+"/instance") || isProgram(dep) {
			return "providers do not know the host"
		}
		if within(dep, module+"/providers") && provider(dep) != own {
			return "providers do not know each other"
		}
		for within, rooms := range rooms {
			room, ok := strings.CutPrefix(path, within)
			other, too := strings.CutPrefix(dep, within)
			if ok && too && slices.Index(rooms, other) > slices.Index(rooms, room) {
				return "a room of a provider knows those before it"
			}
		}
	case within(path, module+"/operator"):
		if within(dep, module) && !within(dep, module+"/instance") && dep != path && dep != module && !isContract(dep) &&
			!within(dep, module+"/internal") {
			return "what an operator can do knows the instance, and not who asks"
		}
		if isDriver(dep) {
			return "what an operator can do links no database driver"
		}
	case within(path, module+"/program/handover"):
		if within(dep, module) && dep != path && dep != module && !isContract(dep) && !within(dep, module+"/internal") {
			return "a process is handed over without knowing what it serves"
		}
	case within(path, module+"/program/https"):
		if within(dep, module) && !within(dep, module+"/program/handover") && dep != path && dep != module && dep != module+"/httpapi" && !isContract(dep) &&
			!within(dep, module+"/internal") {
			return "certificates are got without knowing what is served"
		}
	case within(path, module+"/program"):
		if within(dep, module+"/providers") || within(dep, module+"/cmd") {
			return "the program gets its providers from the main function"
		}
		if isDriver(dep) {
			return "the program links no database driver"
		}
	case within(path, module+"/docs"):
		if within(dep, module) && !within(dep, module+"/docs") {
			return "the documentation knows no code"
		}
	case within(path, module+"/web"), within(path, module+"/providertest"):
		if within(dep, module+"/providers") || within(dep, module+"/host") {
			return "it knows the core only"
		}
	}
	return ""
}

// isProgram reports whether one of our packages belongs to the program around the host, or to the operator's use cases.
func isProgram(path string) bool {
	return within(path, module+"/program") || within(path, module+"/operator") || within(path, module+"/cmd")
}

// isPure reports whether engines share the package, whether ours or a third party's: no SQL, no HTTP, no disk access.
func isPure(path string) bool {
	return within(path, module+"/syncwire") || within(path, module+"/syncrule") || within(path, module+"/blobclaim")
}

// within reports whether path is root or lies below it.
func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// provider returns the name of the provider that a package below providers/ belongs to.
func provider(path string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(path, module+"/providers/"), "/")
	return name
}

// drivers are the modules that talk to a database or an external service.
var drivers = []string{
	"github.com/ncruces/go-sqlite3", "modernc.org/sqlite", "github.com/mattn/go-sqlite3", "github.com/jackc/pgx",
	"github.com/minio/minio-go", "github.com/aws/aws-sdk-go-v2", "github.com/clerk/clerk-sdk-go",
}

func isDriver(path string) bool {
	return slices.ContainsFunc(drivers, func(d string) bool { return within(path, d) })
}

// isAuthority reports whether a third-party package obtains certificates.
func isAuthority(path string) bool {
	return within(path, "github.com/caddyserver/certmagic") || within(path, "github.com/mholt/acmez/v3") || within(path, "go.uber.org/zap")
}

func mayImportDriver(path string) bool {
	return within(path, module+"/internal/sqlitex") || within(path, module+"/providers")
}

// The rules need a test of their own: a checker that allows everything would pass the test above.
func TestForbiddenImportsAreFound(t *testing.T) {
	for _, c := range []struct {
		path, dep string
		standard  bool
		allowed   bool
	}{
		{"", "net/http", true, true},
		{"", "github.com/google/uuid", false, false},
		{"", module + "/internal/ratelimit", false, false},
		{"/instance", module + "/internal/diskspace", false, true},
		{"/instance", module + "/host", false, false},
		{"/instance", module + "/providers/sqlite", false, false},
		{"/host", module + "/instance", false, true},
		{"/host", module + "/internal/ratelimit", false, true},
		{"/host/syncapi", module + "/providers/sqlite", false, false},
		{"/engine", module + "/host/syncapi", false, true},
		{"/engine", module + "/host", false, false},
		{"/engine", module + "/providers/sqlite", false, false},
		{"/host", module + "/engine", false, false},
		{"/providers/fs", module + "/engine", false, false},
		{"/host/syncapi", "github.com/ncruces/go-sqlite3/driver", false, false},
		{"/providers/fs", module + "/providers/fs/internal/db", false, true},
		{"/providers/fs", module + "/providers/sqlite", false, false},
		{"/providers/fs", module + "/providers/fsx", false, false},
		{"/providers/fs", module + "/host/middleware", false, false},
		{"/providers/fs", module + "/httpapi", false, true},
		{"/httpapi", module + "/internal/origin", false, true},
		{"/httpapi", module + "/host", false, false},
		{"/httpapi", module + "/providers/fs", false, false},
		{"/providers/fs", module + "/instance", false, false},
		{"/providers/sqlite", "github.com/ncruces/go-sqlite3", false, true},
		{"/syncwire", module + "/internal/syncschema", false, true},
		{"/syncwire", module + "/httpapi", false, false},
		{"/syncwire", "database/sql", true, false},
		{"/syncrule", module + "/providers/sqlite", false, false},
		{"/blobclaim", module + "/providers/fs", false, false},
		{"/providers/sqlite", module + "/syncwire", false, true},
		{"/host/syncapi", module + "/syncwire", false, true},
		{"/providers/basicauth", accountRoom + "store", false, true},
		{"/providers/basicauth/internal/store", accountRoom + "db", false, true},
		{"/providers/basicauth/internal/store", accountRoom + "onetime", false, false},
		{"/providers/fs/internal/uploads", fileRoom + "copies", false, true},
		{"/providers/fs/internal/copies", fileRoom + "uploads", false, false},
		{"/internal/sqlitex", module, false, true},
		{"/internal/mail", module + "/setting", false, true},
		{"/setting", module, false, true},
		{"/providers/fs", module + "/metric", false, true},
		{"/metric", module + "/internal/metrics", false, false},
		{"/internal/otlp", module + "/internal/metrics", false, true},
		{"/internal/otlp", module + "/host", false, false},
		{"/setting", module + "/internal/ratelimit", false, false},
		{"/internal/sqlitex", module + "/host", false, false},
		{"/internal/sqlitex", module + "/providers/sqlite", false, false},
		{"/cmd/or3-cloud", module + "/providers/sqlite", false, true},
		{"/program", module + "/host", false, true},
		{"/operator", module + "/instance", false, true},
		{"/operator", module + "/host", false, false},
		{"/operator", module + "/program", false, false},
		{"/operator", module + "/providers/fs", false, false},
		{"/host", module + "/operator", false, true},
		{"/program", module + "/providers/sqlite", false, false},
		{"/program", "github.com/ncruces/go-sqlite3", false, false},
		{"/program/handover", module + "/internal/config", false, true},
		{"/program/handover", module + "/host", false, false},
		{"/program/https", module + "/program/handover", false, true},
		{"/program/https", module + "/host", false, false},
		{"/host", module + "/program", false, false},
		{"/providers/fs", module + "/program", false, false},
		{"/web", module + "/host", false, false},
		{"/web", module + "/docs/site", false, true},
		{"/docs/site", module + "/web", false, false},
	} {
		if why := forbidden(module+c.path, c.dep, c.standard); (why == "") != c.allowed {
			t.Errorf("%s → %s: %q", c.path, c.dep, why)
		}
	}
	if mayImportDriver(module+"/host") || !mayImportDriver(module+"/internal/sqlitex") || !isDriver("github.com/ncruces/go-sqlite3/driver") {
		t.Error("drivers are not told apart")
	}
}
