//go:build unix

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/internal/patience"
)

// walk follows a document like an operator who reads it for the first time, on a machine of which it sees one
// directory.
type walk struct {
	t   *testing.T
	doc string
	// srv is the server; commands run in its home directory, with its environment.
	srv  *server
	root string
	mail *smtptest.Server
	ann  *device
	done []step
}

// step is how an instruction is followed, and the expected result.
type step struct {
	text string
	// run is the command to run where a test cannot run it to the letter; the default is the text itself.
	run string
	// use is what to do with a block of configuration.
	use func(w *walk, block string)
	// elsewhere is the reason why nothing runs.
	elsewhere string

	stdin string
	exit  int
	want  string // a regular expression that the output matches

	before, after func(w *walk)
	// repository runs it in the source tree, and tool only where that program is installed.
	repository bool
	tool       string
	// stopped runs it again without a server.
	stopped bool
}

// stepsOf is how the instructions of each document are followed. Commands that are only named in a sentence need no
// step, nor do those that another test claims.
var stepsOf = map[string][]step{
	"README.md":          readmeSteps,
	"CONTRIBUTING.md":    contributingSteps,
	"quick-start.md":     quickStartSteps,
	"install.md":         installSteps, // scripts/releases makes a release, and release/release_linux_test.go uses it
	"operations.md":      operationsSteps,
	"configuration.md":   configurationSteps,
	"troubleshooting.md": troubleshootingSteps,
	"accounts.md":        accountsSteps,
	"administration.md":  administrationSteps,
	"monitoring.md":      monitoringSteps, // prometheus_linux_test.go has a Prometheus
	"combinations.md":    combinationsSteps,
	"basic-auth.md":      basicAuthSteps,
	"sqlite.md":          sqliteSteps,
	"fs.md":              fsSteps,
	"moving-in.md":       movingInSteps,
	"nuxt-host.md":       nuxtHostSteps,
	"providers.md":       providersSteps, // program/foreign_unix_test.go builds and uses its example
	"accounts-api.md":    accountsAPISteps,
	"engine.md":          engineSteps,
	"architecture.md":    architectureSteps,

	"internals/client.md":  {matrixStep},
	"internals/sync.md":    {logStep},
	"internals/testing.md": testingSteps,
	"internals/operator.md": {{text: "go test ./host/adminapi -run '^$' -bench Pages", run: "grep -h '^func BenchmarkPages' host/adminapi/*_test.go",
		want: `testing\.B`, repository: true}},

	"glossary.md": glossarySteps,
}

// outsideDocs are the documents in the repository's root.
var outsideDocs = []string{"README.md", "CONTRIBUTING.md"}

// TestDocumentsAreFollowed follows the README, CONTRIBUTING.md and every document of docs: everything that they tell
// readers to type or to copy is done here, or by the test that claims it with "walk:follows". An instruction that no
// test follows fails.
func TestDocumentsAreFollowed(t *testing.T) {
	t.Parallel()
	documents := slices.Clone(outsideDocs)
	for _, pattern := range []string{"*.md", "internals/*.md"} {
		found, err := fs.Glob(os.DirFS("../docs"), pattern)
		if err != nil {
			t.Fatal(err)
		}
		documents = append(documents, found...)
	}
	for doc := range stepsOf {
		if !slices.Contains(documents, doc) {
			t.Errorf("there is no %s", doc)
		}
	}
	claimed := claims(t)
	for _, doc := range documents {
		t.Run(doc, func(t *testing.T) {
			t.Parallel()
			newWalk(t, doc).follow(stepsOf[doc], claimed)
		})
	}
}

// newWalk is at the beginning of a document. The program is built as readers get it: the many short commands of
// documents take twice the time with the race detector, and find nothing that the tests of their packages do not.
func newWalk(t *testing.T, doc string) *walk {
	root := t.TempDir()
	w := &walk{t: t, doc: doc, root: root, srv: newServer(t, withBinary(binary(t, buildPlain)), withData(filepath.Join(root, "var/lib/or3-cloud")))}
	if doc != "operations.md" {
		w.srv.data = filepath.Join(root, "data") // where it is without a setting
	}
	w.srv.env["HOME"] = root
	w.srv.env["PATH"] = filepath.Join(root, "usr/local/bin") + string(os.PathListSeparator) + w.srv.env["PATH"]
	for _, dir := range []string{"etc", "var/lib", "usr/local/bin"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range []string{"usr/local/bin/or3-cloud", "or3-cloud"} {
		if err := os.Symlink(w.srv.bin, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func (w *walk) write(name, text string, mode os.FileMode) {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), mode)); err != nil {
		w.t.Fatal(err)
	}
}

// follow runs the steps, and then looks for instructions that were not followed, and for steps that are in no document.
func (w *walk) follow(steps []step, claimed map[claim]string) {
	path := filepath.Join("../docs", w.doc)
	if slices.Contains(outsideDocs, w.doc) {
		path = filepath.Join("..", w.doc)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatal(err)
	}
	todo := instructions(string(text))
	blocks := map[string]string{} // by their texts, and by their names
	for _, in := range todo {
		blocks[in.text] = in.block
		blocks[cmp.Or(in.name, in.text)] = in.block
	}
	for _, s := range steps {
		if block, known := blocks[s.text]; !known {
			w.t.Errorf("%s does not say %q any more", w.doc, s.text)
		} else {
			w.do(s, block)
			w.done = append(w.done, s)
		}
		if w.t.Failed() {
			return
		}
	}
	if w.srv.cmd != nil {
		w.endpoints(string(text))
		w.srv.stop()
	}
	for c, test := range claimed {
		if _, known := blocks[c.text]; c.doc == w.doc && !known {
			w.t.Errorf("%s does not say %q any more, which %s follows", w.doc, c.text, test)
		}
	}
	for _, in := range todo {
		_, elsewhere := claimed[claim{w.doc, cmp.Or(in.name, in.text)}]
		followed := elsewhere || slices.ContainsFunc(steps, func(s step) bool { return s.text == in.text })
		if !followed && !(in.inline && w.mentions(in.text)) {
			w.t.Errorf("%s:%d: no test follows %q; add a step, or //walk:follows to the test that does", w.doc, in.line, in.text)
		}
	}
}

// do follows one instruction.
func (w *walk) do(s step, block string) {
	w.t.Helper()
	if s.before != nil {
		s.before(w)
	}
	switch {
	case s.elsewhere != "":
	case s.use != nil:
		s.use(w, block)
	default:
		w.run(s)
	}
	if s.after != nil && !w.t.Failed() {
		s.after(w)
	}
}

// again repeats, without a server, what works then too.
func (w *walk) again() {
	w.t.Helper()
	for _, s := range w.done {
		if s.stopped {
			w.run(s)
		}
	}
}

// run runs a command as a shell would, with the system's directories below the walk's.
func (w *walk) run(s step) string {
	w.t.Helper()
	if _, err := exec.LookPath(s.tool); s.tool != "" && err != nil {
		w.t.Logf("%s is not installed, so this was not tried: %s", s.tool, s.text)
		return ""
	}
	line := s.run
	if line == "" {
		line = s.text
	}
	cmd := exec.Command("bash", "-c", w.place(line))
	cmd.Dir = w.root
	env := maps.Clone(w.srv.env)
	if s.repository {
		cmd.Dir, cmd.Env = "..", os.Environ()
	} else {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			cmd.Env = append(cmd.Env, name+"="+env[name])
		}
	}
	cmd.Stdin = strings.NewReader(s.stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		w.t.Fatal(err)
	}
	if code := cmd.ProcessState.ExitCode(); code != s.exit || !regexp.MustCompile(`(?s)`+s.want).MatchString(out.String()) {
		w.t.Errorf("%s: %s\nexit code %d, want %d, and output like %q:\n%s", w.doc, s.text, code, s.exit, s.want, &out)
	}
	return out.String()
}

// place moves system paths into the walk's directory.
func (w *walk) place(line string) string {
	return strings.NewReplacer("/var/lib/or3-cloud", w.srv.data, "/usr/local/bin", filepath.Join(w.root, "usr/local/bin"),
		"/etc/or3-cloud", filepath.Join(w.root, "etc/or3-cloud")).Replace(line)
}

// mentions reports whether a part of a sentence names a command of the program without its arguments: its help must
// exist.
func (w *walk) mentions(text string) bool {
	cmd := exec.Command(w.srv.bin, append(strings.Fields(text)[1:], "--help")...)
	cmd.Dir = w.root
	out, err := cmd.Output()
	return strings.HasPrefix(text, "or3-cloud") && err == nil && regexp.MustCompile(`(?m)^ *`+regexp.QuoteMeta(text)+`( |$)`).Match(out)
}

var endpoint = regexp.MustCompile("`(GET|POST|PUT|DELETE|HEAD|OPTIONS) (/api/[^`\\s]*)`")

// endpoints sends a request to every endpoint that the document names.
func (w *walk) endpoints(text string) {
	d := w.device()
	for _, m := range endpoint.FindAllStringSubmatch(text, -1) {
		// Streams do not end, but requests without a session do.
		r, err := d.send(context.Background(), m[1], m[2], nil, http.Header{"Cookie": {}})
		if err != nil {
			w.t.Fatal(err)
		}
		if r.status == 404 || r.status == 405 || r.status >= 500 {
			w.t.Errorf("%s names %s %s, which answers %s", w.doc, m[1], m[2], r)
		}
	}
}

// device is a browser that reaches the server through a proxy, which speaks HTTPS.
func (w *walk) device() *device {
	d := newDevice(w.t, w.srv, "browser")
	d.http.Transport = behindProxy{d.http.Transport}
	return d
}

type behindProxy struct{ http.RoundTripper }

func (p behindProxy) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Forwarded-For", "192.0.2.7")
	r.Header.Set("X-Forwarded-Proto", "https")
	r.Header.Set("X-Forwarded-Host", "cloud.example.org")
	return p.RoundTripper.RoundTrip(r)
}

// configure appends a block to the .env file unchanged, apart from its secrets and the names of hosts.
func (w *walk) configure(block string) {
	w.t.Helper()
	path := filepath.Join(w.root, ".env")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.t.Fatal(err)
	}
	for line := range strings.Lines(w.place(block)) {
		line = strings.TrimSpace(line)
		if strings.Contains(line, "=…") {
			line = strings.Replace(line, "…", strings.TrimSpace(w.run(keyStep)), 1)
		}
		old = append(old, line+"\n"...)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// accounts creates those in the commands of the document: Ann with a workspace "Family", and Bob.
func (w *walk) accounts() {
	w.t.Helper()
	w.ann = w.device()
	w.ann.signIn("ann@example.org")
	r := w.ann.post("/api/workspaces", obj{"name": "Family"})
	var made struct {
		ID string `json:"id"`
	}
	r.decode(w.t, &made)
	if r.status != 200 || made.ID == "" {
		w.t.Fatalf("a workspace: %s", r)
	}
	w.srv.env["WORKSPACE"] = made.ID
	w.run(step{text: "an account for Bob", run: "or3-cloud user add bob@example.org", stdin: password + "\n"})
}

// note keeps a value from a command's JSON for the following steps.
func (w *walk) note(name, command string, keys ...string) {
	w.t.Helper()
	var value any
	if err := json.Unmarshal([]byte(w.run(step{text: command})), &value); err != nil {
		w.t.Fatal(err)
	}
	for _, key := range keys {
		switch v := value.(type) {
		case map[string]any:
			value = v[key]
		case []any:
			n, _ := strconv.Atoi(key)
			if n >= len(v) {
				w.t.Fatalf("%s: no entry %d", command, n)
			}
			value = v[n]
		}
	}
	w.srv.env[name], _ = value.(string)
	if w.srv.env[name] == "" {
		w.t.Fatalf("%s has no %v", command, keys)
	}
}

// startWalk starts the server. In production its output is its public name, so the address is chosen here.
func startWalk(w *walk) {
	w.t.Helper()
	address := freeAddress(w.t)
	w.srv.args = []string{"--addr", address}
	w.srv.spawn()
	w.srv.url = "http://" + address
	patience.Until(w.t, "a server that is ready", func() bool {
		select {
		case <-w.srv.exited:
			w.t.Fatalf("the server ended instead of starting: %v\n%s", w.srv.exit, w.srv.logs.tail(4000))
		default:
		}
		return ready(address)
	})
}

func freeAddress(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer free.Close()
	return free.Addr().String()
}

func ready(address string) bool {
	res, err := http.Get("http://" + address + "/api/health/ready")
	if err != nil {
		return false
	}
	res.Body.Close()
	return res.StatusCode == http.StatusOK
}

func stopWalk(w *walk) { w.srv.stop() }

// serveOnce starts a server with a command, and stops it when it is ready.
func (w *walk) serveOnce(line string) {
	w.t.Helper()
	address := freeAddress(w.t)
	line = strings.ReplaceAll(line, "0.0.0.0:3000", address)
	cmd := exec.Command("bash", "-c", "exec "+w.place(line))
	cmd.Dir = w.root
	for name, value := range w.srv.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "OR3_ADDR="+address)
	out := &logBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	served := patience.Try(func() bool { return len(ended) > 0 || ready(address) }) && len(ended) == 0
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := patience.Receive(w.t, "the end of "+line, ended); err != nil || !served {
		w.t.Errorf("%s: %v\n%s", line, err, out)
	}
}
