// Package release_test uses what "make dist" has made as an operator does: packages in their own Debian, images in
// their own root.
package release_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// dist returns the directory that scripts/releases has made, and in it the file that is used. Nothing else runs these
// tests.
func dist(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("OR3_TEST_DIST")
	if dir == "" {
		t.Skip("scripts/matrix releases builds what is used here")
	}
	if os.Geteuid() != 0 {
		t.Fatal("only root can install packages and change its root")
	}
	return filepath.Join(dir, name)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// debian is a Debian that systemd has booted, in its own namespaces.
type debian struct {
	t    *testing.T
	root string
	pid  string
}

// boot unpacks the Debian that scripts/releases has made from its packages, and boots it.
func boot(t *testing.T) *debian {
	t.Helper()
	d := &debian{t: t, root: t.TempDir()}
	for dir := d.root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) { // other users must get through
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "tar", "-C", d.root, "-xf", os.Getenv("OR3_TEST_DEBIAN"))
	cmd := exec.Command("sh", "-ec", `
		mount --make-rprivate /
		mount --bind "$0" "$0"
		mount -t proc proc "$0/proc"
		mount -t tmpfs tmpfs "$0/run"
		mount --rbind /dev "$0/dev"
		exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
			chroot "$0" /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no`, d.root)
	var console bytes.Buffer
	cmd.Stdout, cmd.Stderr = &console, &console
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET | syscall.CLONE_NEWCGROUP,
		Pdeathsig:  syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d.pid = fmt.Sprint(cmd.Process.Pid)
	exited := make(chan struct{})
	go func() { cmd.Wait(); close(exited) }()
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := d.inside("journalctl", "--no-pager", "-u", "or3-cloud")
			t.Logf("the journal: %s", out)
		}
		cmd.Process.Kill() // and with it all processes of its namespace
		<-exited
		if t.Failed() {
			t.Logf("systemd: %s", &console)
		}
	})
	patience.Until(t, "a Debian that runs", func() bool {
		select {
		case <-exited:
			t.Fatalf("systemd does not run here: %s", &console)
		default:
		}
		out, _ := d.inside("systemctl", "is-system-running")
		return strings.TrimSpace(out) == "running"
	})
	run(t, "nsenter", "-t", d.pid, "-n", "ip", "link", "set", "lo", "up")
	return d
}

// inside runs a command in it, as root.
func (d *debian) inside(args ...string) (string, error) {
	enter := []string{"-t", d.pid, "-m", "-p", "-n", "-i", "-u", "-r", "-w", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8"}
	out, err := exec.Command("nsenter", append(enter, args...)...).CombinedOutput()
	return string(out), err
}

func (d *debian) must(args ...string) string {
	d.t.Helper()
	out, err := d.inside(args...)
	if err != nil {
		d.t.Fatalf("%q: %v\n%s", args, err, out)
	}
	return out
}

// bring copies a file into it, and returns its path there.
func (d *debian) bring(path string) string {
	d.t.Helper()
	inside := "/root/" + filepath.Base(path)
	run(d.t, "cp", path, filepath.Join(d.root, inside))
	return inside
}

func (d *debian) has(path string) bool {
	_, err := os.Lstat(filepath.Join(d.root, path))
	return err == nil
}

const (
	envFile = "/etc/or3-cloud/or3-cloud.env"
	dataDir = "/var/lib/or3-cloud"
)

// installed checks what a package has installed where, and starts to use it.
func (d *debian) installed() {
	d.t.Helper()
	for _, file := range []string{
		"/usr/share/bash-completion/completions/or3-cloud", "/usr/share/fish/vendor_completions.d/or3-cloud.fish", "/usr/lib/systemd/system/or3-cloud.service",
		"/usr/share/or3-cloud/or3-cloud.rules.yml", "/usr/share/or3-cloud/or3-cloud.dashboard.json",
	} {
		if !d.has(file) {
			d.t.Errorf("%s is missing", file)
		}
	}
	if page := d.must("man", "-P", "cat", "or3-cloud-user-add"); !strings.Contains(page, "or3-cloud user add") {
		d.t.Errorf("the manual page: %s", page)
	}
	if got := d.must("stat", "-c", "%a %U %G", envFile, dataDir); got != "640 root or3-cloud\n700 or3-cloud or3-cloud\n" {
		d.t.Errorf("modes and owners:\n%s", got)
	}
	if out := d.must("systemd-analyze", "verify", "or3-cloud.service"); strings.Contains(out, "or3-cloud") {
		d.t.Errorf("the unit: %s", out)
	}
	if out, err := d.inside("systemctl", "is-active", "or3-cloud"); err == nil {
		d.t.Errorf("it runs before anyone has looked at its settings: %s", out)
	}
	d.must("systemctl", "enable", "--now", "or3-cloud")
	d.ready()
	d.must("sh", "-c", "echo Correct-Horse-9-battery | or3-cloud user add ann@example.org --env-file "+envFile)
	d.must("or3-cloud", "doctor", "--env-file", envFile) // which fails if it finds an error
	exposure := d.must("systemd-analyze", "security", "or3-cloud", "--no-pager")
	d.t.Log(strings.TrimSpace(exposure[strings.LastIndex(strings.TrimSpace(exposure), "\n")+1:]))
	if !regexp.MustCompile(`exposure level for or3-cloud.service: [012]\.\d`).MatchString(exposure) {
		d.t.Errorf("the unit is not hardened: %s", exposure)
	}
}

func (d *debian) ready() {
	d.t.Helper()
	patience.Until(d.t, "a server that is ready", func() bool {
		_, err := d.inside("or3-cloud", "healthcheck", "--env-file", envFile)
		return err == nil
	})
	if owner := d.must("stat", "-c", "%U", dataDir+"/identity.json"); owner != "or3-cloud\n" {
		d.t.Errorf("the data belongs to %s", owner)
	}
}

func (d *debian) show(property string) string {
	d.t.Helper()
	return strings.TrimSpace(d.must("systemctl", "show", "or3-cloud", "--value", "-p", property))
}

// kept checks what a removal leaves.
func (d *debian) kept() {
	d.t.Helper()
	if d.has("/usr/bin/or3-cloud") {
		d.t.Error("the program is still there")
	}
	if out, err := d.inside("systemctl", "is-active", "or3-cloud"); err == nil {
		d.t.Errorf("the server still runs: %s", out)
	}
	if !d.has(dataDir + "/basic-auth.sqlite") {
		d.t.Error("the data is gone")
	}
}

// TestTheDeb installs the package, starts the server, upgrades, removes and purges it.
//
//walk:follows install.md sudo apt install ./or3-cloud-linux-amd64.deb
//walk:follows install.md sudo systemctl enable --now or3-cloud
//walk:follows install.md sudo or3-cloud doctor --env-file /etc/or3-cloud/or3-cloud.env
//walk:follows install.md apt purge or3-cloud
func TestTheDeb(t *testing.T) {
	path := dist(t, "or3-cloud-linux-amd64.deb")
	d := boot(t)
	d.must("dpkg", "-i", d.bring(path))
	d.installed()

	// The next version, of the same program.
	next := t.TempDir()
	run(t, "dpkg-deb", "-R", path, filepath.Join(next, "files"))
	control := filepath.Join(next, "files/DEBIAN/control")
	text, err := os.ReadFile(control)
	if err == nil {
		err = os.WriteFile(control, regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(text, []byte("Version: 99.0")), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	run(t, "dpkg-deb", "-b", filepath.Join(next, "files"), filepath.Join(next, "next.deb"))
	pid := d.show("MainPID")
	d.must("dpkg", "-i", d.bring(filepath.Join(next, "next.deb")))
	patience.Until(t, "the new program on the same socket", func() bool {
		return strings.Contains(d.must("journalctl", "--no-pager", "-u", "or3-cloud"), "serving on the socket that was handed over")
	})
	d.ready()
	if now := d.show("MainPID"); now != pid {
		t.Errorf("the process was %s and is %s: the port was closed meanwhile", pid, now)
	}
	if users := d.must("or3-cloud", "user", "list", "--env-file", envFile); !strings.Contains(users, "ann@example.org") {
		t.Errorf("after the upgrade: %s", users)
	}

	d.must("dpkg", "-r", "or3-cloud")
	d.kept()
	if !d.has(envFile) {
		t.Error("a removal has taken the settings")
	}
	if said := d.must("dpkg", "-P", "or3-cloud"); !strings.Contains(said, "stays in /var/lib/or3-cloud") {
		t.Errorf("a purge says: %s", said)
	}
	d.kept()
	if d.has(envFile) {
		t.Error("a purge has left the settings")
	}
}

// TestTheRPM does the same with the other package, using Debian's rpm, which knows nothing about Debian's packages.
//
//walk:follows install.md sudo dnf install ./or3-cloud-linux-amd64.rpm
func TestTheRPM(t *testing.T) {
	path := dist(t, "or3-cloud-linux-amd64.rpm")
	d := boot(t)
	inside := d.bring(path)
	d.must("rpm", "-i", "--nodeps", inside)
	if needs := d.must("rpm", "-q", "--requires", "or3-cloud"); !strings.Contains(needs, "shadow-utils") {
		t.Errorf("it needs %s", needs)
	}
	d.must("rpm", "-V", "--nodeps", "--nogroup", "or3-cloud") // the group of the settings is given after the installation
	d.installed()
	pid := d.show("MainPID")
	d.must("rpm", "-U", "--nodeps", "--force", inside)
	patience.Until(t, "the new program on the same socket", func() bool {
		return strings.Contains(d.must("journalctl", "--no-pager", "-u", "or3-cloud"), "serving on the socket that was handed over")
	})
	d.ready()
	if now := d.show("MainPID"); now != pid {
		t.Errorf("the process was %s and is %s: the port was closed meanwhile", pid, now)
	}
	if said := d.must("rpm", "-e", "or3-cloud"); !strings.Contains(said, "stays in /var/lib/or3-cloud") {
		t.Errorf("a removal says: %s", said)
	}
	d.kept()
}

// TestTheImage unpacks the image, follows its manifest, and runs it as a runtime does: without anything from this
// machine, as a user without rights, on a read-only root.
//
//walk:follows install.md docker load --input or3-cloud-linux-amd64.oci.tar
//walk:follows install.md docker run --detach --name or3-cloud --read-only --cap-drop ALL --publish 127.0.0.1:3000:3000 --volume or3-cloud:/data or3-cloud:v1.2.3
func TestTheImage(t *testing.T) {
	path := dist(t, "or3-cloud-linux-amd64.oci.tar")
	files := map[string][]byte{}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for archive := tar.NewReader(f); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			files[h.Name], err = io.ReadAll(archive)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	type descriptor struct{ Digest string }
	blob := func(d descriptor) []byte {
		t.Helper()
		content, ok := files["blobs/"+strings.ReplaceAll(d.Digest, ":", "/")]
		if !ok || fmt.Sprintf("sha256:%x", sha256.Sum256(content)) != d.Digest {
			t.Fatalf("the blob %s is missing, or another one", d.Digest)
		}
		return content
	}
	decode := func(text []byte, into any) {
		t.Helper()
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	var index struct{ Manifests []descriptor }
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	var config struct {
		Config struct {
			User                 string
			Env, Entrypoint, Cmd []string
			Healthcheck          struct{ Test []string }
		} `json:"config"`
	}
	decode(files["index.json"], &index)
	decode(blob(index.Manifests[0]), &manifest)
	decode(blob(manifest.Config), &config)
	packed := blob(manifest.Layers[0])
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the image has %.1f MB, and %.1f MB unpacked", float64(len(packed))/1e6, float64(len(layer))/1e6)
	root := t.TempDir()
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	unpack := exec.Command("tar", "-C", root, "-xpf", "-")
	unpack.Stdin = bytes.NewReader(layer)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	c := config.Config
	chroot, err := exec.LookPath("chroot")
	if err != nil {
		t.Fatal(err)
	}
	env := append(c.Env, "OR3_ADDR=127.0.0.1:"+port) // another server may have the image's port
	start := exec.Command("sh", append([]string{"-ec", `
		root=$1 user=$2
		shift 2
		mount --make-rprivate /
		mount --bind "$root" "$root"
		mount -t tmpfs -o mode=0700,uid=${user%:*},gid=${user#*:} tmpfs "$root/data"
		mount -o remount,bind,ro "$root"
		exec env -i "$(command -v chroot)" --userspec="$user" --groups= "$root" "$@"`, "sh", root, c.User}, append(c.Entrypoint, c.Cmd...)...)...)
	start.Args[2] = strings.Replace(start.Args[2], "env -i", "env -i "+strings.Join(env, " "), 1)
	var log bytes.Buffer
	start.Stdout, start.Stderr = &log, &log
	start.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := start.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- start.Wait() }()
	t.Cleanup(func() { start.Process.Kill() })
	pid := fmt.Sprint(start.Process.Pid)
	check := func() (string, error) {
		args := append([]string{"-t", pid, "-m", "env", "-i"}, env...)
		args = append(append(args, chroot, "--userspec="+c.User, "--groups=", root), c.Healthcheck.Test[1:]...)
		out, err := exec.Command("nsenter", args...).CombinedOutput()
		return string(out), err
	}
	if !patience.Try(func() bool { _, err := check(); return err == nil || len(exited) > 0 }) || len(exited) > 0 {
		out, err := check()
		t.Fatalf("the health check: %v: %s\nthe server: %s", err, out, &log)
	}
	status, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil || !strings.Contains(string(status), "\nUid:\t10001\t10001\t") || !strings.Contains(string(status), "\nCapEff:\t0000000000000000\n") {
		t.Errorf("it runs with other rights: %v\n%s", err, status)
	}
	if err := start.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := patience.Receive(t, "the end of the server", exited); err != nil {
		t.Errorf("the server ends with %v\n%s", err, &log)
	}
}
