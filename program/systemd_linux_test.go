package program

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// documentedUnit returns the first unit of docs/operations.md after a text, so that the test uses what is documented.
func documentedUnit(t *testing.T, after string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), after)
	var unit strings.Builder
	for line := range strings.Lines(section) {
		text, indented := strings.CutPrefix(line, "    ")
		switch {
		case indented:
			unit.WriteString(text)
		case unit.Len() > 0 && strings.TrimSpace(line) != "":
			return unit.String()
		case unit.Len() > 0:
			unit.WriteString("\n")
		}
	}
	t.Fatalf("docs/operations.md has no unit after %q", after)
	return ""
}

// manager is systemd as the first process of its own namespaces, so that nothing on the machine changes: it has its own
// /etc, /run, /var/lib and /usr/local/bin.
type manager struct {
	t   *testing.T
	pid int
	// etc and bin are what it sees as /etc and /usr/local/bin; log is what the service prints.
	etc, bin, log string
}

// startManager boots systemd with nothing but the given files of or3-cloud.service.
func startManager(t *testing.T, units map[string]string) *manager {
	t.Helper()
	const systemd = "/lib/systemd/systemd"
	if testing.Short() || os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, program := range []string{systemd, "systemctl", "nsenter", "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip(err)
		}
	}
	dir := t.TempDir()
	m := &manager{t: t, etc: filepath.Join(dir, "etc"), bin: filepath.Join(dir, "bin"), log: filepath.Join(dir, "log")}
	unitDir := filepath.Join(dir, "units")
	for _, path := range []string{m.etc, m.bin, unitDir} {
		if err := os.Mkdir(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{dir, filepath.Dir(dir)} { // another user must get through
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"passwd", "group", "nsswitch.conf", "hosts", "ld.so.cache"} {
		if text, err := os.ReadFile(filepath.Join("/etc", name)); err == nil {
			m.write(filepath.Join(m.etc, name), string(text), 0o644)
		}
	}
	for _, name := range []string{"sysinit", "basic", "shutdown", "network-online", "multi-user", "boot"} {
		m.write(filepath.Join(unitDir, name+".target"), "[Unit]\nDefaultDependencies=no\n", 0o644)
	}
	if err := os.Mkdir(filepath.Join(unitDir, "or3-cloud.service.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	m.write(filepath.Join(unitDir, "or3-cloud.service.d", "log.conf"), fmt.Sprintf("[Service]\nStandardOutput=append:%s\nStandardError=append:%[1]s\n", m.log), 0o644)
	for name, text := range units {
		m.write(filepath.Join(unitDir, name), text, 0o644)
	}
	boot := exec.Command("sh", "-ec", `
		mount --make-rprivate /
		mount -t proc proc /proc
		for dir in /run /var/lib; do mount -t tmpfs tmpfs $dir; done
		mount --bind "$1" /etc
		mount --bind "$2" /usr/local/bin
		exec "$0" --system --unit=boot.target --log-target=console --show-status=no`, systemd, m.etc, m.bin)
	boot.Env = []string{"PATH=" + os.Getenv("PATH"), "container=test", "SYSTEMD_UNIT_PATH=" + unitDir}
	var console patience.Output
	boot.Stdout, boot.Stderr = &console, &console
	boot.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := boot.Start(); err != nil {
		t.Skipf("this machine gives no namespaces: %v", err)
	}
	m.pid = boot.Process.Pid
	exited := make(chan struct{})
	go func() { boot.Wait(); close(exited) }()
	t.Cleanup(func() {
		boot.Process.Kill() // and with it all processes of its namespace
		<-exited
		if t.Failed() {
			log, _ := os.ReadFile(m.log)
			t.Logf("systemd: %s\nservice: %s", &console, log)
		}
	})
	running := patience.Try(func() bool {
		select {
		case <-exited:
			return true
		default:
		}
		_, err := os.Stat(m.path("/run/systemd/private"))
		return err == nil
	})
	select {
	case <-exited:
		t.Skipf("systemd does not run here: %s", &console)
	default:
	}
	if !running {
		t.Fatal("systemd does not listen")
	}
	return m
}

func (m *manager) write(path, text string, mode os.FileMode) {
	m.t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		m.t.Fatal(err)
	}
}

// path is our path for a path that systemd sees.
func (m *manager) path(inside string) string { return fmt.Sprintf("/proc/%d/root%s", m.pid, inside) }

// systemctl runs a command of the operator.
func (m *manager) systemctl(args ...string) (string, error) {
	cmd := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(m.pid), "-m", "-p", "-n", "systemctl"}, args...)...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// must is systemctl where it has to succeed.
func (m *manager) must(args ...string) string {
	m.t.Helper()
	out, err := m.systemctl(args...)
	if err != nil {
		m.t.Fatalf("systemctl %q: %v: %s", args, err, out)
	}
	return out
}

func (m *manager) show(property string) string {
	m.t.Helper()
	return m.must("show", "or3-cloud", "--value", "-p", property)
}

// install replaces the documented program, as installers do.
func (m *manager) install(put func(path string) error) {
	m.t.Helper()
	path := filepath.Join(m.bin, "or3-cloud")
	if err := put(path + ".new"); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		m.t.Fatal(err)
	}
}

func (m *manager) waitLog(text string) {
	m.t.Helper()
	patience.Until(m.t, text, func() bool {
		log, _ := os.ReadFile(m.log)
		return strings.Contains(string(log), text)
	})
}

// documentedVariables are those of docs/operations.md, with secrets.
const documentedVariables = `# The variables of the service.
NODE_ENV=production
OR3_PUBLIC_URL="https://cloud.example.org"
OR3_TRUST_PROXY=true
OR3_BASIC_AUTH_JWT_SECRET=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=
OR3_BASIC_AUTH_REFRESH_SECRET=ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=
OR3_STORAGE_FS_TOKEN_SECRET='MTIzNDU2Nzg5MGFiY2RlZmFiY2RlZjEyMzQ1Njc4OTA='
`

// TestTheDocumentedUnit starts the unit of docs/operations.md in systemd, upgrades the service, tries to upgrade it to
// something else, restarts and stops it.
//
//walk:follows operations.md [Unit] Description=OR3 Cloud
//walk:follows operations.md systemctl reload or3-cloud
func TestTheDocumentedUnit(t *testing.T) {
	unit, proxy := documentedUnit(t, "\n## systemd\n"), documentedUnit(t, "If the proxy is on the same machine, a Unix socket saves a port")
	m := startManager(t, map[string]string{"or3-cloud.service": unit, "or3-cloud.service.d/proxy.conf": proxy})
	group, err := user.LookupGroup("www-data")
	if err != nil {
		t.Skip(err)
	}
	program := buildProgram(t)
	release := func(path string) error { return exec.Command("cp", program, path).Run() }
	m.install(release)
	m.write(filepath.Join(m.etc, "or3-cloud.env"), documentedVariables, 0o600)
	socket := m.path("/run/or3-cloud/http.sock")
	ready := func() {
		t.Helper()
		if status, body, err := patience.Request(socket, "GET", "/api/health/ready"); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s, %v", status, body, err)
		}
	}
	m.must("start", "or3-cloud")
	ready()
	pid := m.show("MainPID")
	status, err := os.ReadFile(m.path("/proc/" + pid + "/status"))
	if err != nil || strings.Contains(string(status), "\nUid:\t0\t") {
		t.Errorf("the service runs as root: %v\n%s", err, status)
	}
	environ, err := os.ReadFile(m.path("/proc/" + pid + "/environ"))
	for _, want := range []string{
		"OR3_PUBLIC_URL=https://cloud.example.org", "OR3_STORAGE_FS_TOKEN_SECRET=MTIzNDU2Nzg5MGFiY2RlZmFiY2RlZjEyMzQ1Njc4OTA=", "STATE_DIRECTORY=/var/lib/or3-cloud",
	} {
		if !strings.Contains("\x00"+string(environ), "\x00"+want+"\x00") {
			t.Errorf("%s is not in the environment (%v): %q", want, err, environ)
		}
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o660 || fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid) != group.Gid {
		t.Errorf("the proxy's group %s cannot connect: %+v, %v", group.Gid, info, err)
	}
	data := m.path("/var/lib/private/or3-cloud")
	for path, want := range map[string]os.FileMode{data: 0o700, filepath.Join(data, "identity.json"): 0o600} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want || info.Sys().(*syscall.Stat_t).Uid == 0 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}

	m.install(release)
	m.must("reload", "or3-cloud")
	m.waitLog("serving on the socket that was handed over")
	ready()
	m.install(func(path string) error { return os.Symlink("/bin/true", path) })
	m.must("reload", "or3-cloud")
	m.waitLog("no upgrade")
	ready()
	if now := m.show("MainPID"); now != pid || m.show("ActiveState") != "active" {
		t.Errorf("the pid was %s and is %s", pid, now)
	}

	m.install(release)
	m.must("restart", "or3-cloud")
	ready()
	if now := m.show("MainPID"); now == pid {
		t.Error("a restart has kept the pid")
	}
	m.must("stop", "or3-cloud")
	if state, result, code := m.show("ActiveState"), m.show("Result"), m.show("ExecMainStatus"); state != "inactive" || result != "success" || code != "0" {
		t.Errorf("stopped: %s, %s, %s", state, result, code)
	}
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket is left behind")
	}
	if log, _ := os.ReadFile(m.log); strings.Contains(string(log), `"level":"ERROR"`) && strings.Count(string(log), `"level":"ERROR"`) != 1 {
		t.Errorf("more errors than that of the upgrade:\n%s", log)
	}
}

// TestAServerThatHangsIsStartedAgain runs the unit with a watchdog that waits less, and stops the process as a debugger
// does.
func TestAServerThatHangsIsStartedAgain(t *testing.T) {
	m := startManager(t, map[string]string{
		"or3-cloud.service": documentedUnit(t, "\n## systemd\n"), "or3-cloud.service.d/watchdog.conf": "[Service]\nWatchdogSec=4s\n",
	})
	program := buildProgram(t)
	m.install(func(path string) error { return exec.Command("cp", program, path).Run() })
	m.write(filepath.Join(m.etc, "or3-cloud.env"), documentedVariables+"OR3_ADDR=unix:/run/or3-cloud/http.sock\n", 0o600)
	m.must("start", "or3-cloud")
	began := m.show("WatchdogTimestampMonotonic")
	patience.Until(t, "a sign of life", func() bool { return m.show("WatchdogTimestampMonotonic") != began })
	pid := m.show("MainPID")
	m.must("kill", "--signal=STOP", "or3-cloud")
	patience.Until(t, "another process", func() bool { now := m.show("MainPID"); return now != pid && now != "0" })
	m.waitLog("SIGABRT")
}

// TestAFileOfRootWithEnvFile is the unit that was documented before: the server itself reads a file that only root may
// read.
func TestAFileOfRootWithEnvFile(t *testing.T) {
	m := startManager(t, map[string]string{
		"or3-cloud.service": "[Service]\nExecStart=/usr/local/bin/or3-cloud serve --env-file /etc/or3-cloud.env\nDynamicUser=yes\nStateDirectory=or3-cloud\n",
	})
	program := buildProgram(t)
	m.install(func(path string) error { return exec.Command("cp", program, path).Run() })
	m.write(filepath.Join(m.etc, "or3-cloud.env"), documentedVariables, 0o600)
	m.must("start", "or3-cloud")
	m.waitLog("EnvironmentFile=")
	patience.Until(t, "a failed service", func() bool { return m.show("ActiveState") == "failed" })
}
