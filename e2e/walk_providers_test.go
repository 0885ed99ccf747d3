//go:build unix

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
)

// basicAuthSteps follow docs/basic-auth.md.
var basicAuthSteps = []step{
	{text: "SSR_AUTH_ENABLED=true", use: (*walk).configure, after: func(w *walk) {
		w.run(step{text: "accounts are selected", run: "or3-cloud providers", want: `basic-auth +auth +auth `})
		w.oldDatabase("old.sqlite")
		w.run(step{
			text: "doctor finds the first four of the table", run: "OR3_STRICT_CONFIG=true OR3_BASIC_AUTH_JWT_SECRET=short OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=a@example.org " +
				"OR3_BASIC_AUTH_DB_PATH=old.sqlite or3-cloud doctor --offline",
			exit: 1, want: `(too short for a key.*is set without|is set without.*too short for a key)`,
		})
		w.run(step{
			text: "and what strict mode demands", run: "OR3_STRICT_CONFIG=true OR3_BASIC_AUTH_DB_PATH=old.sqlite or3-cloud doctor --offline", exit: 1,
			want: `strict mode generates no secrets.*is the database of another program`,
		})
	}},
}

// sqliteSteps follow docs/sqlite.md.
var sqliteSteps = []step{
	{text: "SSR_AUTH_ENABLED=true", use: (*walk).configure, after: func(w *walk) {
		w.run(step{text: "sync is selected", run: "or3-cloud providers", want: `sqlite +sync +sync `})
		startWalk(w)
	}},
	{text: "or3-cloud action run sync.check-database", want: `"ok": true`, after: func(w *walk) {
		stopWalk(w)
		w.again()
		w.oldDatabase("old.sqlite")
		w.run(step{text: "another program's database", run: "OR3_SQLITE_DB_PATH=old.sqlite or3-cloud user list", exit: 1, want: `sync database: \S+ is the database of another program`})
		startWalk(w)
	}, stopped: true},
}

// fsSteps follow docs/fs.md.
var fsSteps = []step{
	{text: "SSR_AUTH_ENABLED=true", use: (*walk).configure, after: func(w *walk) {
		w.run(step{text: "files are selected", run: "or3-cloud providers", want: `fs +storage +storage `})
		startWalk(w)
		newDevice(w.t, w.srv, "browser").register("ann@example.org")
	}},
	{text: "or3-cloud gc --dry-run", want: `orphaned`},
	{text: "or3-cloud adopt blobs", before: func(w *walk) {
		stopWalk(w)
		w.remove("blobs/.or3-storage-id")
		w.run(step{text: "files of another origin", run: "or3-cloud user list", exit: 1, want: `and the data directory|it carries no identity`})
	}, after: startWalk},
}

// combinationsSteps follow docs/combinations.md.
var combinationsSteps = []step{
	{text: "or3-cloud providers", want: `basic-auth +auth +auth .*fs +storage +storage .*sqlite +sync +sync `, after: func(w *walk) {
		w.run(step{
			text: "a provider that is not there", run: "OR3_STRICT_CONFIG=true OR3_SYNC_PROVIDER=convex or3-cloud config", exit: 1,
			want: `sync\.provider "convex" is not registered`,
		})
		w.run(step{
			text: "a provider in the wrong place", run: "OR3_STRICT_CONFIG=true OR3_SYNC_PROVIDER=fs or3-cloud config", exit: 1,
			want: `sync\.provider "fs" is not registered for this place: it is a provider of another kind`,
		})
	}},
}

// movingInSteps follow docs/moving-in.md, with the accounts of a package for Node.js.
var movingInSteps = []step{
	{text: "sqlite3 .data/or3-basic-auth.sqlite 'SELECT email, display_name FROM basic_auth_accounts'", before: func(w *walk) {
		w.oldDatabase(".data/or3-basic-auth.sqlite")
		w.oldDatabase(".data/or3.sqlite")
	}, want: `owner@example\.test`, tool: "sqlite3"},
	{text: "cp -p .env .env.before", before: func(w *walk) {
		w.write(".env", "SSR_AUTH_ENABLED=true\nOR3_SQLITE_DB_PATH=.data/or3.sqlite\nOR3_BASIC_AUTH_DB_PATH=.data/or3-basic-auth.sqlite\nOR3_SQLITE_DRIVER=better-sqlite3\n", 0o600)
		w.run(step{text: "what leads to the old databases is named", run: "or3-cloud doctor --offline", exit: 1, want: `OR3_BASIC_AUTH_DB_PATH: \S+ is the database of another program.*OR3_SQLITE_DB_PATH: \S+ is the database of another program`})
	}, after: func(w *walk) {
		w.write(".env", "SSR_AUTH_ENABLED=true\nOR3_SQLITE_DRIVER=better-sqlite3\n", 0o600)
	}},
	{text: "OR3_DATA_DIR=/var/lib/or3-cloud", use: (*walk).configure},
	{text: "mkdir -m 700 /var/lib/or3-cloud"},
	{text: "cp -p .data/admin-credentials.json /var/lib/or3-cloud/", before: func(w *walk) {
		w.write(".data/admin-credentials.json", `{"username":"admin","password_hash_bcrypt":"$2b$12$aaaaaaaaaaaaaaaaaaaaaOB9pYqVHd5Z7HjqS2Wq8M8hxUXYtqCLC","created_at":1,"updated_at":1}`, 0o600)
	}},
	{text: "or3-cloud doctor", want: `0 errors`},
	{text: "or3-cloud config --web /srv/or3-chat", run: "or3-cloud config --web client", before: func(w *walk) {
		w.write("client/index.html", "<!doctype html><title>client</title>", 0o644)
	}, want: `web\.form`},
	{text: "or3-cloud doctor --web /srv/or3-chat", run: "or3-cloud doctor --web client", want: `0 errors`},
	{text: "or3-cloud serve --web /srv/or3-chat", run: "true", after: func(w *walk) {
		w.serveOnce("or3-cloud serve --web client")
		w.run(step{text: "no account is taken over", run: "or3-cloud user list", want: `^E-MAIL[^\n]*\n$`})
		startWalk(w)
	}},
	{text: "or3-cloud user add ann@example.org --reset-link", want: `http\S+/account/#reset=\S+`},
	{text: "or3-cloud workspace create Team --owner ann@example.org", want: `"Team" of ann@example\.org`},
	{text: "or3-cloud workspace members add Team bob@example.org --role editor", before: func(w *walk) {
		w.run(step{text: "an account for Bob", run: "or3-cloud user add bob@example.org", stdin: password + "\n"})
	}, want: `as editor`, after: func(w *walk) {
		for _, name := range []string{".data/or3-basic-auth.sqlite", ".data/or3.sqlite"} {
			now, err := os.ReadFile(filepath.Join(w.root, name))
			if err != nil || !bytes.Equal(now, oldAccounts(w)) {
				w.t.Errorf("%s was changed, %v", name, err)
			}
		}
	}},
}

// oldAccounts is a database that a package for Node.js has made.
func oldAccounts(w *walk) []byte {
	w.t.Helper()
	text, err := os.ReadFile("../providers/basicauth/testdata/npm-auth.sqlite")
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

func (w *walk) oldDatabase(name string) {
	w.t.Helper()
	w.write(name, string(oldAccounts(w)), 0o600)
}
