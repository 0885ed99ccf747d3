//go:build unix

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"or3.chat/cloud/internal/mail/smtptest"
)

// operationsSteps follow docs/operations.md in an order that works; a step may be what several places tell to do.
var operationsSteps = []step{
	// The first start, in production.
	keyStep,
	{text: "NODE_ENV=production", use: (*walk).configure, after: func(w *walk) {
		// Strict mode creates no data directory, and says how to.
		w.run(step{text: "or3-cloud config", exit: 1, want: `mkdir -m 700`})
	}},
	{text: "chmod 600 .env"},
	{text: "mkdir -m 700 /var/lib/or3-cloud"},
	{text: "or3-cloud config", want: `OR3_PUBLIC_URL +\.env +https://cloud\.example\.org.*memory\.limit.*memory\.budget`},
	{text: "chmod go-w .env", before: func(w *walk) {
		if err := os.Chmod(filepath.Join(w.root, ".env"), 0o622); err != nil {
			w.t.Fatal(err)
		}
		w.run(step{text: "or3-cloud config", exit: 1, want: `chmod go-w`})
	}},
	{text: "chmod 600 /etc/or3-cloud.env", before: func(w *walk) { w.write("etc/or3-cloud.env", "", 0o644) }, after: startWalk},
	{text: "or3-cloud healthcheck", run: `or3-cloud healthcheck --addr "$ADDRESS"`, before: func(w *walk) {
		w.srv.env["ADDRESS"] = strings.TrimPrefix(w.srv.url, "http://")
	}, want: `is ready`},

	// Accounts and workspaces, while the server runs.
	{text: "or3-cloud user add ann@example.org --name Ann", stdin: password + "\n", want: `^Created the account ann@example\.org`, after: (*walk).accounts},
	{text: "or3-cloud user add carl@example.org --reset-link", want: `https://cloud\.example\.org/account/#reset=\S+`},
	{text: "or3-cloud user invite bob@example.org --workspace Family --role editor --expires 7d", before: func(w *walk) {
		w.run(step{text: "Bob is new", run: "or3-cloud user delete bob@example.org --yes"})
	}, want: `bob@example\.org can join "Family" as editor.*https://cloud\.example\.org/account/#invite=\S+`},
	{text: "or3-cloud workspace invites list Family", want: `bob@example\.org`},
	{text: "or3-cloud workspace invites revoke Family ID", run: `or3-cloud workspace invites revoke Family "$INVITE"`, before: func(w *walk) {
		w.note("INVITE", "or3-cloud workspace invites list Family --json", "invites", "0", "id")
	}, after: func(w *walk) {
		w.run(step{text: "Bob has an account", run: "or3-cloud user add bob@example.org", stdin: password + "\n"})
	}},
	{text: "or3-cloud user list", want: `ann@example\.org.*carl@example\.org`},
	{text: "or3-cloud user list --data /var/lib/or3-cloud", want: `ann@example\.org`, stopped: true},
	{text: "or3-cloud user reset-link ann@example.org", want: `https://cloud\.example\.org/account/#reset=\S+`},
	{text: "or3-cloud user passwd ann@example.org --reset-factors", want: `second factors of ann@example\.org are removed`, after: func(w *walk) {
		w.ann.signIn("ann@example.org")
	}},
	{text: "or3-cloud user excuse ann@example.org --expires 7d", want: `ann@example\.org does not need a second factor`},
	{text: "or3-cloud user sessions ann@example.org", want: `192\.0\.2\.7`},
	{text: "or3-cloud user revoke ann@example.org --session ID", run: `or3-cloud user revoke ann@example.org --session "$SESSION"`, before: func(w *walk) {
		w.note("SESSION", "or3-cloud user sessions ann@example.org --json", "sessions", "0", "id")
	}, want: `: 1\.`},
	{text: "or3-cloud user revoke ann@example.org --all"},
	{text: "or3-cloud user disable ann@example.org"},
	{text: "or3-cloud user enable ann@example.org"},
	{text: "or3-cloud user admin grant ann@example.org", want: `ann@example\.org is a deployment administrator`},
	{text: "or3-cloud user admin list", want: `ann@example\.org .* enabled`},
	{text: "or3-cloud user admin revoke ann@example.org", want: `is no longer a deployment administrator`},
	{text: "or3-cloud user delete carl@example.org", exit: 2, want: `--yes`},
	{text: "or3-cloud user delete carl@example.org --yes", want: `carl@example\.org`},
	{text: "OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR=admins", use: (*walk).configure},
	{text: "or3-cloud workspace list", want: `Family +ann@example\.org +1 `, stopped: true},
	{text: "or3-cloud workspace create Team --owner ann@example.org", want: `"Team" of ann@example\.org`},
	{text: "or3-cloud workspace delete Team", want: `is deleted`},
	{text: "or3-cloud workspace list --deleted", want: `Team +ann@example\.org`},
	{text: "or3-cloud workspace restore Team", want: `is restored`},
	{text: "or3-cloud workspace members list Family", want: `ann@example\.org +owner`, stopped: true},
	{text: "or3-cloud workspace members add Family bob@example.org --role viewer", want: `as viewer`},
	{text: "or3-cloud workspace members role Family bob@example.org owner", want: `as owner`},
	{text: "or3-cloud workspace members remove Family bob@example.org", want: `is no longer a member`},
	{text: "or3-cloud workspace notify Family 'Maintenance tonight' 'The server is down from 22:00 to 23:00.'", want: `message: 1\.`, stopped: true},
	{text: "or3-cloud workspace free-name Family some_setting", want: `some_setting`, stopped: true},
	{text: "or3-cloud job list", want: `^JOB +USER .*0 under way, 0 waiting`, stopped: true},
	{text: "or3-cloud job list --status error --user ann@example.org --json", want: `"jobs": \[\]`, stopped: true},
	{text: "or3-cloud job abort 0b5c7a52-3f1d-4f57-9c5e-2f4f4d1c0a11", exit: 1, want: `is open; see or3-cloud job list`, stopped: true},
	{text: "or3-cloud audit", want: `operator +workspace\.free_name +workspace \S+, some_setting +ok`, stopped: true},
	{text: "or3-cloud audit --since 7d --action workspace", want: `operator +workspace\.members\.remove +workspace \S+, user bob@example\.org +ok`, stopped: true},
	{text: "or3-cloud audit --outcome refused --limit 1000 --json", want: `"entries"`, stopped: true},
	{text: "or3-cloud log Family", want: `"version":1,"mark":"winner"`, stopped: true},
	{text: "or3-cloud log Family 1", want: `^\{"version":1,"mark":"winner",.*"place":"row \d+ of the table blocks, entry 1 of \d+"`, stopped: true},

	// Files and databases, with a server and without one.
	{text: "or3-cloud fsck", want: `.`, stopped: true},
	{text: "or3-cloud fsck --rate 20 --json", want: `"ok": ?true`, stopped: true},
	{text: "or3-cloud fsck --quarantine", stopped: true},
	{text: "or3-cloud gc --dry-run", want: `.`, stopped: true},
	{text: "or3-cloud gc", want: `.`, stopped: true},
	{text: "or3-cloud gc --workspace ID --json", run: `or3-cloud gc --workspace "$WORKSPACE" --json`, want: `\{`, stopped: true},
	{text: "git clone https://github.com/Saluana/or3-chat ../or3-chat", elsewhere: "the sources of OR3 Chat come from outside"},
	{text: "smartctl -a", elsewhere: "reads the system's disks"},
	{text: "df -h", want: `(?i)mounted`},
	{text: "setcap cap_net_bind_service=+ep /usr/local/bin/or3-cloud", elsewhere: "changes what the system lets a program do, which takes root"},
	{text: "setcap cap_net_bind_service=+ep", elsewhere: "as above"},
	{text: `sqlite3 FILE ".backup COPY"`, run: `sqlite3 /var/lib/or3-cloud/or3-sync.sqlite ".backup copy.sqlite"`, tool: "sqlite3", after: (*walk).foreignCopy},

	// The client, and its next release.
	{text: "or3-cloud config --web /srv/or3-chat/current", run: "or3-cloud config --web client/current", before: func(w *walk) {
		for _, release := range []string{"release-1", "release-2"} {
			w.write("client/"+release+"/200.html", "<script>window.__NUXT__={config:{public:{},app:{baseURL:'/'}}}</script>", 0o644)
		}
		if err := os.Symlink("release-1", filepath.Join(w.root, "client/current")); err != nil {
			w.t.Fatal(err)
		}
	}, want: `web\.form +--web +public folder of a server build.*web\.configuration +web\.form +that of the build, with this server's`},
	{text: "ln -s release-2 /srv/or3-chat/next && mv -T /srv/or3-chat/next /srv/or3-chat/current",
		run: "ln -s release-2 client/next && mv -T client/next client/current && readlink client/current", want: `^release-2\n$`},
	{text: "OR3_CSP_SOURCES=connect-src https://files.example.org; frame-src https://example.org", use: (*walk).configure},

	// Mail needs no running server to be tried.
	{text: "OR3_SMTP_URL=smtp://USER:PASSWORD@mail.example.org:587", use: func(w *walk, block string) {
		w.mail = smtptest.Start(w.t, smtptest.Options{})
		w.configure(strings.ReplaceAll(block, "USER:PASSWORD@mail.example.org:587", w.mail.Addr))
	}},
	{text: "or3-cloud mail test you@example.org", want: `you@example\.org`, after: func(w *walk) {
		if m := w.mail.Next(); len(m.To) != 1 || m.To[0] != "you@example.org" || !strings.Contains(m.Header(w.t, "From"), "Our Cloud") {
			w.t.Errorf("mail from %s to %v", m.Header(w.t, "From"), m.To)
		}
	}},

	// What replaces a store that is gone.
	{text: "or3-cloud adopt --help", want: `sync`},
	{text: "or3-cloud adopt all", before: func(w *walk) {
		stopWalk(w)
		w.again()
		w.remove("identity.json")
		w.run(step{text: "or3-cloud user list", exit: 1})
	}, after: startWalk},
	{text: "or3-cloud adopt sync", before: func(w *walk) {
		stopWalk(w)
		w.remove("or3-sync.sqlite*")
		w.run(step{text: "or3-cloud user list", exit: 1, want: `adopt sync`})
	}, after: startWalk},
}

// foreignCopy replaces the database by a copy that another program has made, which the server must refuse as the
// document says.
func (w *walk) foreignCopy() {
	w.t.Helper()
	copied, err := os.ReadFile(filepath.Join(w.root, "copy.sqlite"))
	if errors.Is(err, os.ErrNotExist) { // there is no sqlite3 here
		return
	}
	stopWalk(w)
	original := filepath.Join(w.srv.data, "or3-sync.sqlite")
	kept, failed := os.ReadFile(original)
	if err := errors.Join(err, failed, os.WriteFile(original, copied, 0o600)); err != nil {
		w.t.Fatal(err)
	}
	w.run(step{text: "or3-cloud user list", exit: 1, want: `or3-sync\.sqlite is damaged: a page differs from its checksum`})
	if err := os.WriteFile(original, kept, 0o600); err != nil {
		w.t.Fatal(err)
	}
	startWalk(w)
}

// remove removes files of the data directory.
func (w *walk) remove(pattern string) {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.srv.data, pattern))
	for _, path := range found {
		err = errors.Join(err, os.Remove(path))
	}
	if err != nil || len(found) == 0 {
		w.t.Fatalf("%s: %v, %v", pattern, found, err)
	}
}

// installSteps follow docs/install.md. scripts/releases does what needs a release, and makes one.
var installSteps = []step{
	{text: "make dist", run: "make -n dist", want: `scripts/dist`, repository: true},
	{text: "make dist VERSION=v1.2.3", run: "make -n dist VERSION=v1.2.3", want: `v1\.2\.3`, repository: true},
	{text: "sha256sum --check --ignore-missing SHA256SUMS", run: "grep -q 'sha256sum --quiet --check SHA256SUMS' scripts/releases", repository: true},
	{
		text:       "ssh-keygen -Y verify -f or3-cloud.signers -I release -n file -s SHA256SUMS.sig < SHA256SUMS",
		run:        "grep -q 'ssh-keygen -Y verify -f .* -I release -n file -s .*SHA256SUMS.sig' scripts/releases",
		repository: true,
	},
	{text: "or3-cloud version", want: `^or3-cloud .*\nproviders: basic-auth, fs, sqlite`},
	{text: "or3-cloud version --json", want: `"providers": \[\s*"basic-auth"`},
	{text: "sudo install -m 0755 or3-cloud-linux-amd64 /usr/local/bin/or3-cloud", run: "install -m 0755 or3-cloud-linux-amd64 /usr/local/bin/or3-cloud", before: func(w *walk) {
		if err := os.Symlink(w.srv.bin, filepath.Join(w.root, "or3-cloud-linux-amd64")); err != nil {
			w.t.Fatal(err)
		}
	}},
	{text: "or3-cloud serve", run: "true", after: func(w *walk) { w.serveOnce("or3-cloud serve") }},
	{text: "or3-cloud completion --help", want: `bash`},
	{text: "scripts/matrix releases", run: "grep -q '^releases()' scripts/matrix", repository: true},
	{text: "or3-cloud init --with docker", elsewhere: "TestInit follows operations.md"},
}

// providersSteps follow docs/providers.md. A copy of the example is a module of its own, wherever the sources are.
var providersSteps = []step{
	{text: "go doc -all or3.chat/cloud", want: `type AuthProvider interface`, repository: true},
	{
		text: "go mod edit -replace or3.chat/cloud=../or3-cloud",
		run: `top=$(mktemp -d) && trap 'rm -rf "$top"' EXIT && ln -s "$PWD" "$top/or3-cloud" && cp -r examples/provider "$top/mycloud" && cd "$top/mycloud" &&
			go mod edit -replace or3.chat/cloud=../or3-cloud && GOPROXY=off go list -test -deps ./...`,
		want: `or3\.chat/cloud/program.*example\.org/mycloud/household.*example\.org/mycloud/portal`, repository: true,
	},
	{
		text: "go mod edit -dropreplace or3.chat/cloud", run: "cd examples/provider && go mod edit -dropreplace or3.chat/cloud -print",
		want: `require or3\.chat/cloud v`, repository: true,
	},
	{text: "or3-cloud build --with example.org/mycloud/household=../mycloud", elsewhere: "TestBuilds follows operations.md"},
	{text: "go test -race ./...", elsewhere: "go_tests of scripts/test"},
	{text: "git tag v1.0.0", run: "git tag --list v1.0.0", repository: true},
	{text: "make generate", run: "make -n generate", want: `scripts/generate`, repository: true},
	{text: "go test .", elsewhere: "go_tests of scripts/test"},
}

// sourceSteps are instructions for everyone who has the sources. Commands that would build and test everything are
// checked and not run: the test command does that.
var sourceSteps = []step{
	{text: "go run ./cmd/or3-cloud serve", run: "go run -n ./cmd/or3-cloud serve", repository: true},
	{text: "go test ./providers/sqlite/...", run: "go list ./providers/sqlite/...", want: `providers/sqlite`, repository: true},
	{text: "scripts/test go_tests", run: "grep -q '^go_tests()' scripts/test", repository: true},
	{text: "make test", run: "make -n test", want: `scripts/test`, repository: true},
	{text: "make matrix", run: "make -n matrix", want: `scripts/matrix`, repository: true},
	{text: "make generate", run: "make -n generate", want: `scripts/generate`, repository: true},
}

// readmeSteps follow the README, which begins with the sources.
var readmeSteps = slices.Concat(sourceSteps, []step{
	{text: "go build -v -o or3-cloud ./cmd/or3-cloud", run: "go build -n -o /dev/null ./cmd/or3-cloud", repository: true},
	{text: "./or3-cloud serve", run: "true", after: func(w *walk) {
		w.serveOnce("./or3-cloud serve")
		if info, err := os.Stat(filepath.Join(w.root, "data")); err != nil || info.Mode().Perm() != 0o700 {
			w.t.Errorf("the data directory: %v, %v", info, err)
		}
	}},
	{text: "make dist", run: "make -n dist", want: `dist`, repository: true},
	{text: "make dist SYSTEMS=linux/arm", run: "make -n dist SYSTEMS=linux/arm", want: `scripts/dist.*linux/arm`, repository: true},
	{text: "make dist VERSION=v1.2.3", run: "make -n dist VERSION=v1.2.3", want: `v1\.2\.3`, repository: true},
	{text: "or3-cloud version --json", want: `"version"`},
	{text: "make run", run: "make -n run", want: `serve`, repository: true},
	{text: "make bench", run: "make -n bench", repository: true},
	{text: "go doc -all .", want: `func Can`, repository: true},

	{text: "cmd/or3-cloud → program → host → or3cloud (the contracts) ← providers/{basicauth,sqlite,fs}", elsewhere: "imports_test.go proves it"},

	{text: "or3-cloud config", want: `OR3_DATA_DIR`},
	{text: "or3-cloud config --json", want: `"OR3_DATA_DIR"`},
	{text: "or3-cloud serve --addr 0.0.0.0:3000 --data /var/lib/or3-cloud --web ./or3-chat/.output/public", run: "true", before: func(w *walk) {
		w.write("or3-chat/.output/public/index.html", "<!doctype html><title>client</title>", 0o644)
	}, after: func(w *walk) {
		w.serveOnce("or3-cloud serve --addr 0.0.0.0:3000 --data /var/lib/or3-cloud --web ./or3-chat/.output/public")
	}},
	{text: "or3-cloud user add ann@example.org --reset-link", before: startWalk, want: `http\S+/account/#reset=\S+`},
	{text: "or3-cloud user list", want: `ann@example\.org`},
	{text: "or3-cloud user --help", want: `reset-link`},
})

// contributingSteps follow CONTRIBUTING.md, in the same way.
var contributingSteps = slices.Concat(sourceSteps, []step{
	{text: "scripts/test linted", run: "grep -q '^linted()' scripts/test", repository: true},
	{text: "go test .", elsewhere: "go_tests of scripts/test"},
})

// quickStartSteps follow docs/quick-start.md.
var quickStartSteps = []step{
	{text: "./or3-cloud serve --web ./client", run: "true", before: func(w *walk) {
		w.write("client/index.html", "<!doctype html><title>client</title>", 0o644)
	}, after: func(w *walk) { w.serveOnce("./or3-cloud serve --web ./client") }},
	{text: "./or3-cloud doctor", want: `(?i)or3-cloud init|nothing is wrong|warning`},
	{text: "./or3-cloud config --web ./client", want: `web\.form`},
	{text: "./or3-cloud init", run: "./or3-cloud init --yes --preset personal-local --dry-run", want: `\.env`},
}

// accountsSteps follow docs/accounts.md.
var accountsSteps = []step{
	{text: "or3-cloud user passwd ANN --reset-factors", run: "or3-cloud user passwd ann@example.org --reset-factors", before: func(w *walk) {
		startWalk(w)
		w.run(step{text: "an account for Ann", run: "or3-cloud user add ann@example.org", stdin: password + "\n"})
	}, want: `second factors of ann@example\.org are removed`},
	{text: "or3-cloud user excuse ANN --expires 7d", run: "or3-cloud user excuse ann@example.org --expires 7d", want: `ann@example\.org`},
}

// administrationSteps follow docs/administration.md.
var administrationSteps = []step{
	{text: "or3-cloud admin password", before: func(w *walk) {
		w.srv.env["OR3_ADMIN_USERNAME"], w.srv.env["OR3_ADMIN_PASSWORD"] = "admin", "Correct horse 1"
		startWalk(w)
	}, stdin: "Another horse 2\n", want: `super administrator admin has a new password`},
	{text: "or3-cloud action list", want: `sync\.gc-tombstones`, stopped: true},
	{text: "or3-cloud action run sync.check-database", want: `"ok": true`, stopped: true},
	{text: "or3-cloud action run sync.gc-tombstones --workspace ID --set retentionDays=90", before: func(w *walk) {
		newDevice(w.t, w.srv, "browser").register("ann@example.org")
	}, run: `or3-cloud action run sync.gc-tombstones --workspace "$(or3-cloud workspace list | awk 'NR==2 {print $NF}')" --set retentionDays=90`, want: `"retentionSeconds": 7776000`},
	{text: "or3-cloud action run auth.revoke-sessions --yes", want: `"revoked": `},
}
