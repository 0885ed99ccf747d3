//go:build unix

package program

import (
	"encoding/json"
	"flag"
	"fmt"
	"image/color"
	"io"
	"io/fs"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/google/go-cmp/cmp"

	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/program/doctor"
	"or3.chat/cloud/program/initialize"
	"or3.chat/cloud/setting"
)

// shots is a folder for the screens of the wizard, for people to look at.
var shots = flag.String("shots", "", "write the screens of the wizard into this folder")

// The keys of a terminal.
const (
	keyEnter = "\r"
	keyEsc   = "\x1b"
	keyDown  = "\x1b[B"
	keyUp    = "\x1b[A"
	keyCtrlC = "\x03"
	keyCtrlU = "\x15"
	keyPgDn  = "\x1b[6~"
	keySpace = " "
)

// tty is a terminal in which the program runs, with a screen that can be read.
type tty struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	pty   *os.File
	ended chan error

	mu     sync.Mutex // of screen, except for its replies
	screen *vt.Emulator

	shot int
}

// newTTY starts the program in a terminal with this many columns and rows.
func newTTY(t *testing.T, dir string, columns, rows int, dark bool, args ...string) *tty {
	t.Helper()
	return newTTYOf(t, "xterm-256color", dir, columns, rows, dark, args...)
}

// newTTYOf is newTTY for a kind of terminal.
func newTTYOf(t *testing.T, term, dir string, columns, rows int, dark bool, args ...string) *tty {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "or3-cloud")
	if err := os.Symlink(self, program); err != nil { // TestMain decides by the name
		t.Fatal(err)
	}
	w := &tty{t: t, dir: dir, ended: make(chan error, 1), screen: vt.NewEmulator(columns, rows)}
	if dark {
		w.screen.SetDefaultBackgroundColor(color.Black)
	} else {
		w.screen.SetDefaultBackgroundColor(color.White)
	}
	w.cmd = exec.Command(program, args...)
	w.cmd.Dir, w.cmd.Env = dir, []string{"TERM=" + term, "COLORTERM=truecolor", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	w.pty, err = pty.StartWithSize(w.cmd, &pty.Winsize{Cols: uint16(columns), Rows: uint16(rows)})
	if err != nil {
		t.Skip("no pseudo-terminal here: ", err)
	}
	go func() { // what the program writes
		buf := make([]byte, 32<<10)
		for {
			n, err := w.pty.Read(buf)
			w.mu.Lock()
			w.screen.Write(buf[:n])
			w.mu.Unlock()
			if err != nil {
				w.ended <- w.cmd.Wait()
				return
			}
		}
	}()
	go func() { // what the terminal replies
		buf := make([]byte, 4<<10)
		for {
			n, err := w.screen.Read(buf)
			if err != nil {
				return
			}
			w.pty.Write(buf[:n])
		}
	}()
	t.Cleanup(func() {
		w.cmd.Process.Kill()
		w.pty.Close()
		w.screen.InputPipe().(io.Closer).Close() // Close would race with Read
	})
	return w
}

// see waits until all texts are on the screen.
func (w *tty) see(texts ...string) *tty {
	w.t.Helper()
	if !patience.Try(func() bool {
		screen := w.text()
		return !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(screen, text) })
	}) {
		w.t.Fatalf("%q is not to be seen:\n%s", texts, w.text())
	}
	w.look()
	return w
}

// text is the screen, with runs of white space as one space, so that it does not matter where lines are broken.
func (w *tty) text() string { return strings.Join(strings.Fields(w.all()), " ") }

// all is the screen as it is.
func (w *tty) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.screen.String()
}

// look saves the screen for people to look at, and checks that everything on it is readable (WCAG 2.2, 1.4.3).
func (w *tty) look() {
	w.t.Helper()
	w.shot++
	w.mu.Lock()
	defer w.mu.Unlock()
	for y := range w.screen.Height() {
		for x := range w.screen.Width() {
			cell := w.screen.CellAt(x, y)
			if cell == nil || cell.Style.Fg == nil || strings.TrimSpace(cell.Content) == "" || cell.Style.Attrs != 0 && cell.Style.Bg != nil {
				continue
			}
			if c := contrast(cell.Style.Fg, w.screen.BackgroundColor()); c < 4.5 {
				w.t.Fatalf("%q at %d, %d has a contrast of %.1f:\n%s", cell.Content, x, y, c, w.screen.String())
			}
		}
	}
	if *shots == "" {
		return
	}
	name := fmt.Sprintf("%s-%02d", strings.NewReplacer("/", "_", " ", "_").Replace(w.t.Name()), w.shot)
	if err := os.WriteFile(filepath.Join(*shots, name+".ansi"), []byte(w.screen.Render()), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".txt"), []byte(w.screen.String()), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

// contrast is the contrast of two colours as WCAG 2.2 defines it.
func contrast(a, b color.Color) float64 {
	luminance := func(c color.Color) float64 {
		r, g, b, _ := c.RGBA()
		linear := func(v uint32) float64 {
			s := float64(v) / 0xffff
			if s <= 0.04045 {
				return s / 12.92
			}
			return math.Pow((s+0.055)/1.055, 2.4)
		}
		return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
	}
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// press types keys, one after the other.
func (w *tty) press(keys ...string) *tty {
	w.t.Helper()
	for _, key := range keys {
		if _, err := w.pty.WriteString(key); err != nil {
			w.t.Fatal(err)
		}
	}
	return w
}

// ends waits for the program and returns its exit code.
func (w *tty) ends() int {
	w.t.Helper()
	patience.Receive(w.t, "the end of the program", w.ended)
	w.look()
	return w.cmd.ProcessState.ExitCode()
}

// entries are the files in a directory.
func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if name, _ := filepath.Rel(dir, path); err == nil && name != "." {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// startsStrictly starts a server in a directory, as it is, and stops it.
func startsStrictly(t *testing.T, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "or3-cloud")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(t.TempDir(), "s")
	server := exec.Command(program, "serve", "--addr", "unix:"+socket)
	var log strings.Builder
	server.Dir, server.Env, server.Stderr = dir, []string{"PATH=" + os.Getenv("PATH"), "OR3_STRICT_CONFIG=true"}, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Wait() }()
	answered := make(chan error, 1)
	go func() {
		_, _, err := patience.Request(socket, http.MethodGet, "/api/health/ready")
		answered <- err
	}()
	select {
	case err := <-answered:
		if err != nil {
			t.Fatal(err)
		}
	case <-ended:
		t.Fatalf("the server refuses what set-up has written:\n%s", &log)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := patience.Receive(t, "the end of the server", ended); err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	for _, id := range []string{"clerk", "convex", "postgres"} { // requirement 6.2
		if strings.Contains(log.String(), id) {
			t.Errorf("the log speaks of %s, which is not selected:\n%s", id, &log)
		}
	}
}

// passesDoctor examines a directory, as it is, and expects warnings about these variables only. Public addresses are
// not ones that a test could contact, and clock and disk are the machine's.
func passesDoctor(t *testing.T, dir string, warnings ...string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "or3-cloud")
	if err := os.Symlink(self, program); err != nil {
		t.Fatal(err)
	}
	args := []string{"doctor", "--json", "--offline"}
	if setup.HostOf(dir) != setup.HostNuxt {
		args = append(args, "--addr", "unix:"+filepath.Join(t.TempDir(), "s"))
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("what set-up has written does not pass: %v\n%s", err, out)
	}
	var r doctor.Report
	if err := json.Unmarshal(out, &r); err != nil || !r.OK || !slices.Contains(r.Examined, doctor.AreaSecrets) {
		t.Fatalf("%v\n%s", err, out)
	}
	var found []string
	for _, f := range r.Findings {
		if f.Area != doctor.AreaClock && f.Area != doctor.AreaDisk {
			found = append(found, f.Variable)
		}
	}
	if !slices.Equal(found, warnings) {
		t.Errorf("warnings of %v, want %v:\n%s", found, warnings, out)
	}
}

const (
	askPreset   = "What do you want to set up?"
	askAddr     = "Listen address"
	askData     = "Data directory"
	askPublic   = "Public address"
	askMode     = "Registration"
	askProxies  = "Trusted proxies"
	askMail     = "Mail server"
	askSender   = "Sender"
	askEmail    = "Address of the first account"
	askPassword = "Password of the first account"
	askFiles    = "Which other files do you want?"
	askDecision = "What now?"
)

// TestWizardWritesEveryPreset goes through each preset in a real terminal, and starts a server with the result.
//
//walk:follows operations.md or3-cloud init
//walk:follows README.md or3-cloud init
func TestWizardWritesEveryPreset(t *testing.T) {
	for _, size := range []struct {
		columns, rows int
		dark          bool
	}{{80, 24, true}, {200, 60, false}} {
		for _, c := range []struct {
			name     string
			keys     func(w *tty)
			files    []string
			warnings []string
		}{
			{"recommended", func(w *tty) {
				w.see(askPreset).press(keyEnter).see(askAddr, "127.0.0.1:3000").press(keyEnter).see(askData).press(keyEnter)
				w.see(askPublic).press("https://cloud.example.org", keyEnter).see(askMode, "invite_only").press(keyEnter)
				w.see(askProxies, "loopback").press(keyEnter).see(askMail).press(keyEnter).see(askEmail).press(keyEnter).see(askFiles).press(keyEnter)
			}, []string{".env", "data"}, nil},
			{"personal-local", func(w *tty) {
				w.see(askPreset).press(keyDown, keyEnter).see(askAddr).press(keyEnter).see(askData).press(keyEnter)
				w.see(askEmail).press("owner@example.org", keyEnter).see(askPassword).press("violet harbour 19 maps", keyEnter).see(askFiles).press(keyEnter)
			}, []string{".env", "data"}, []string{setting.PublicURL}},
			{"local-only", func(w *tty) {
				w.see(askPreset).press(keyDown, keyDown, keyEnter).see(askAddr).press(keyEnter).see(askFiles).press(keyEnter)
			}, []string{".env"}, nil},
		} {
			t.Run(fmt.Sprintf("%s %dx%d", c.name, size.columns, size.rows), func(t *testing.T) {
				dir := t.TempDir()
				w := newTTY(t, dir, size.columns, size.rows, size.dark, "init")
				c.keys(w)
				w.see(askDecision, "Write it", "preset "+c.name)
				if strings.Contains(w.text(), "violet") {
					t.Error("a password is on the screen")
				}
				if got := entries(t, dir); len(got) > 0 {
					t.Errorf("written before it is confirmed: %v", got)
				}
				w.press(keyEnter)
				if code := w.ends(); code != 0 {
					t.Fatalf("exit code %d:\n%s", code, w.all())
				}
				if diff := cmp.Diff(c.files, entries(t, dir)); diff != "" {
					t.Errorf("-want +written\n%s", diff)
				}
				startsStrictly(t, dir)
				passesDoctor(t, dir, c.warnings...)
			})
		}
	}
}

// TestWizardOfANuxtHost writes the legacy preset, which is only for such a host. The doctor knows what it is examining.
func TestWizardOfANuxtHost(t *testing.T) {
	for _, size := range []struct {
		columns, rows int
		dark          bool
	}{{80, 24, true}, {80, 24, false}, {200, 60, false}} {
		t.Run(fmt.Sprintf("%dx%d dark %v", size.columns, size.rows, size.dark), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "nuxt.config.ts"), []byte("export default {}"), 0o644); err != nil {
				t.Fatal(err)
			}
			w := newTTY(t, dir, size.columns, size.rows, size.dark, "init")
			w.see(askPreset, "legacy").press(keyUp, keyEnter) // the last one
			w.see("Publishable key").press("sk_wrong").see("does not begin with pk_").press(keyEnter).see("Publishable key").press(keyCtrlU, "pk_test_1", keyEnter)
			w.see("Secret key").press(keyEnter).see("is not set").press("sk_test_1", keyEnter)
			w.see("Deployment").press("https://a.convex.cloud", keyEnter).see("Admin key").press(keyEnter)
			w.see(askDecision, "preset clerk-convex").press(keyPgDn).see("or3.providers.generated.json").press(keyEnter)
			if code := w.ends(); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, w.all())
			}
			if diff := cmp.Diff([]string{".env", "nuxt.config.ts", "or3.providers.generated.json"}, entries(t, dir)); diff != "" {
				t.Errorf("-want +written\n%s", diff)
			}
			passesDoctor(t, dir, "or3-provider-clerk", "or3-provider-convex") // which have yet to be installed
			for _, name := range []string{"or3-provider-clerk", "or3-provider-convex"} {
				installPackage(t, dir, name)
			}
			passesDoctor(t, dir)
		})
	}
}

// TestInitOfANuxtHostPassesTheDoctor: what a host with our packages gets is complete, except for the packages.
func TestInitOfANuxtHostPassesTheDoctor(t *testing.T) {
	for _, preset := range []string{"recommended", "personal-local", "local-only"} {
		t.Run(preset, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "nuxt.config.ts"), []byte("export default {}"), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"--dir", dir, "--yes", "--preset", preset}
			var warnings []string
			switch preset {
			case "recommended":
				args = append(args, "--set", "OR3_PUBLIC_URL=https://cloud.example.org")
			case "personal-local":
				warnings = []string{setting.PublicURL}
			}
			if out, errs, code := runInit(t, "", args...); code != 0 {
				t.Fatalf("exit code %d:\n%s%s", code, out, errs)
			}
			if preset != "local-only" {
				for _, name := range []string{"or3-provider-basic-auth", "or3-provider-sqlite", "or3-provider-fs"} {
					installPackage(t, dir, name)
				}
			}
			passesDoctor(t, dir, warnings...)
		})
	}
}

// TestWizardGoesBack changes answers that were given, the preset included.
func TestWizardGoesBack(t *testing.T) {
	dir := t.TempDir()
	w := newTTY(t, dir, 80, 24, false, "init")
	w.see(askPreset).press(keyEnter).see(askAddr).press(keyCtrlU, "127.0.0.1:4000", keyEnter).see(askData).press(keyEsc)
	w.see(askAddr, "127.0.0.1:4000").press(keyEsc).see(askPreset).press(keyDown, keyEnter)
	w.see(askAddr, "127.0.0.1:4000").press(keyEnter).see(askData).press(keyEnter).see(askEmail).press(keyEnter).see(askFiles).press(keyEnter)
	w.see(askDecision, "preset personal-local", "OR3_ADDR=127.0.0.1:4000").press(keyEsc).see(askFiles).press(keyEsc).see(askEmail)
	w.press(keyEnter).see(askFiles).press(keyEnter).see(askDecision).press(keyEnter)
	if code := w.ends(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, w.all())
	}
	text, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil || !strings.Contains(string(text), "OR3_ADDR=127.0.0.1:4000\n") || strings.Contains(string(text), "NODE_ENV") {
		t.Errorf("%s %v", text, err)
	}
}

// TestWizardSaysWhatIsWrongAsItIsTyped, and does not go on.
func TestWizardSaysWhatIsWrongAsItIsTyped(t *testing.T) {
	dir := t.TempDir()
	w := newTTY(t, dir, 80, 24, true, "init", "--preset", "recommended")
	w.see(askPreset).press(keyEnter).see(askAddr).press(keyCtrlU, "here").see("is not an address to listen on").press(keyEnter)
	w.see(askAddr, "is not an address").press(keyCtrlU, "127.0.0.1:3000").press(keyEnter).see(askData).press(keyEnter)
	w.see(askPublic).press(keyEnter).see(askPublic, "is not set").press("cloud.example.org").see("is not an origin")
	w.press(keyCtrlU, "https://cloud.example.org", keyEnter).see(askMode).press(keyEnter).see(askProxies).press(keyEnter)
	w.see(askMail).press("smtp://u:secret-of-mail@mail.example.org:587", keyEnter).see(askSender).press("nobody", keyEnter).see(askSender)
	w.press(keyCtrlU, "Cloud <cloud@example.org>", keyEnter).see(askEmail).press("owner@example.org", keyEnter)
	w.see(askPassword).press("short").see("at least 12 characters").press(keyCtrlU, "violet harbour 19 maps", keyEnter)
	w.see(askFiles).press(keySpace, keyEnter).see(askDecision)
	if seen := w.text(); strings.Contains(seen, "secret-of-mail") || strings.Contains(seen, "violet") {
		t.Errorf("secrets are shown:\n%s", seen)
	}
	w.press(keyPgDn).see("lines").press(keyCtrlC)
	if code := w.ends(); code != 1 || len(entries(t, dir)) > 0 {
		t.Errorf("exit code %d, left %v", code, entries(t, dir))
	}
}

// TestWizardLeavesNothingWhenItIsInterrupted, on whatever page, and leaves an older file as it was.
func TestWizardLeavesNothingWhenItIsInterrupted(t *testing.T) {
	for _, pages := range []int{0, 1, 3, 5} {
		t.Run(fmt.Sprint(pages), func(t *testing.T) {
			dir := t.TempDir()
			const before = "OTHER=1\n"
			if err := os.WriteFile(filepath.Join(dir, ".env"), []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			w := newTTY(t, dir, 80, 24, true, "init", "--preset", "personal-local").see(askPreset)
			for _, page := range []string{askAddr, askData, askEmail, askFiles, askDecision}[:pages] {
				w.press(keyEnter).see(page)
			}
			w.press(keyCtrlC)
			if code := w.ends(); code != 1 {
				t.Errorf("exit code %d", code)
			}
			text, err := os.ReadFile(filepath.Join(dir, ".env"))
			if got := entries(t, dir); err != nil || string(text) != before || !slices.Equal(got, []string{".env"}) {
				t.Errorf("%q %v, %v", text, got, err)
			}
		})
	}
}

// TestWizardGoesOnAnotherTime: answers are kept on request, without secrets, and deleted when they have been used.
func TestWizardGoesOnAnotherTime(t *testing.T) {
	dir := t.TempDir()
	w := newTTY(t, dir, 80, 24, true, "init")
	w.see(askPreset).press(keyDown, keyEnter).see(askAddr).press(keyCtrlU, "127.0.0.1:4000", keyEnter).see(askData).press(keyEnter)
	w.see(askEmail).press("owner@example.org", keyEnter).see(askPassword).press("violet harbour 19 maps", keyEnter).see(askFiles).press(keyEnter)
	w.see(askDecision).press(keyDown, keyDown, keyEnter)
	if code := w.ends(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, w.all())
	}
	saved, err := os.ReadFile(filepath.Join(dir, initialize.Kept))
	if err != nil || strings.Contains(string(saved), "violet") || !strings.Contains(string(saved), "127.0.0.1:4000") {
		t.Fatalf("%s %v", saved, err)
	}
	w = newTTY(t, dir, 80, 24, true, "init")
	w.see(askDecision, "preset personal-local", "OR3_ADDR=127.0.0.1:4000").press(keyDown, keyEnter).see(askPreset).press(keyEnter)
	w.see(askAddr, "127.0.0.1:4000").press(keyEnter).see(askData).press(keyEnter).see(askEmail, "owner@example.org").press(keyEnter)
	w.see(askPassword).press("violet harbour 19 maps", keyEnter).see(askFiles).press(keyEnter).see(askDecision).press(keyEnter)
	if code := w.ends(); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, w.all())
	}
	if diff := cmp.Diff([]string{".env", "data"}, entries(t, dir)); diff != "" {
		t.Errorf("-want +written\n%s", diff)
	}
}

// TestWizardGivesTheTerminalBackAfterAHangUp, as after every other signal, and leaves nothing.
func TestWizardGivesTheTerminalBackAfterAHangUp(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			w := newTTY(t, dir, 80, 24, true, "init").see(askPreset).press(keyEnter).see(askAddr)
			if err := w.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if code := w.ends(); code != 1 || len(entries(t, dir)) > 0 {
				t.Errorf("exit code %d, left %v", code, entries(t, dir))
			}
			if w.text() != "or3-cloud: nothing was written" { // on the screen that was there before
				t.Errorf("on the screen: %s", w.all())
			}
		})
	}
}

// TestWizardAsksNoTerminalThatShowsNoPages: what it would write there is unreadable.
func TestWizardAsksNoTerminalThatShowsNoPages(t *testing.T) {
	w := newTTYOf(t, "dumb", t.TempDir(), 80, 24, true, "init")
	if code := w.ends(); code != 2 || !strings.Contains(w.text(), "--yes") {
		t.Errorf("exit code %d: %s", code, w.all())
	}
}

// TestWizardReadsAndKeepsAnswersInAFileAlone: reading a pipe might never end, and a link may lead to someone else's
// file.
func TestWizardReadsAndKeepsAnswersInAFileAlone(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a link": func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "theirs"), path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, initialize.Kept)
			if err := put(path); err != nil {
				t.Fatal(err)
			}
			w := newTTY(t, dir, 80, 24, true, "init", "--preset", "local-only").see(askPreset).press(keyEnter).see(askAddr).press(keyEnter).see(askFiles).press(keyEnter)
			w.see(askDecision).press(keyDown, keyDown, keyEnter)
			if code := w.ends(); code != 0 {
				t.Fatalf("exit code %d: %s", code, w.all())
			}
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
				t.Error(info.Mode(), err)
			}
			if got := entries(t, dir); !slices.Equal(got, []string{initialize.Kept}) {
				t.Errorf("%v", got)
			}
		})
	}
}
