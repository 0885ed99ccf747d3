// Package web serves what people see in a browser: a static client from a directory, or the page that is built in.
package web

import (
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/setting"
	"or3.chat/cloud/web/internal/encoded"
	"or3.chat/cloud/web/internal/icons"
)

// Endpoints are what paths begin with that are below /api/ and belong to the client in a directory all the same.
var Endpoints = []string{icons.Path}

// Options are what the pages depend on.
type Options struct {
	// Dir is the directory of the client; empty for the built-in page.
	Dir string
	// Config and Plan are what the client is told of the server.
	Config or3cloud.Config
	Plan   instance.Plan
	// Log says what was found in Dir, and when that changes; nil says nothing.
	Log *slog.Logger
	// Now is the clock; nil stands for the system's.
	Now func() time.Time
	// SignedIn reports whether a request comes from someone with a session. It is asked for clients without an account
	// UI alone.
	SignedIn func(*http.Request) bool
}

// DocumentsPath is where the documentation is. OR3 Chat has pages of the name /docs, so that is another way to it
// without a client alone.
const DocumentsPath = "/or3/docs"

// New returns the handler for everything outside /api/. With a directory it serves the client in it, told of this
// server where the server has accounts; without one it serves the built-in page, or nothing in a binary that was built
// without it (build tag noweb). The built-in page is below /account/ as well, whatever is shown. The documentation is
// there as well (requirement 7.1), and where there are accounts the pages for administrators, but for a client without
// a cloud, which is served alone. For all of them it has the file that says whom to tell of vulnerabilities.
func New(o Options) (http.Handler, error) {
	var client *directory
	if o.Dir != "" {
		var err error
		if client, err = newDirectory(o); err != nil {
			return nil, err
		}
	}
	pages, err := pages(o, client)
	if err != nil {
		return nil, err
	}
	if pages == nil {
		pages = http.NotFoundHandler()
	}
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return contact{pages, client, contactLines(o.Config), now}, nil
}

// pages are a client and what is beside it, or the built-in page if client is nil; nil if there is neither.
func pages(o Options, client *directory) (http.Handler, error) {
	base := o.Config.String(setting.BasePath)
	m := marks{accounts: true, superAdmin: o.Config.String(setting.AdminUsername) != "" && o.Config.String(setting.AdminPassword) != ""}
	if client == nil {
		own, err := page(marks{accounts: o.Config.Bool(setting.SSRAuthEnabled)})
		if own == nil || err != nil {
			return nil, err
		}
		shown := http.Handler(&entrance{account: own, base: base})
		if o.Config.Bool(setting.SSRAuthEnabled) {
			shown, err = withAdministration(shown, base, m, o.Config.String(setting.AdminBasePath), setting.OwnAdminPages)
		}
		return withDocuments(shown, base, "/docs", DocumentsPath), err
	}
	if !o.Plan.Cloud() {
		return client, nil
	}
	account, err := page(marks{accounts: true, client: o.Config.String(setting.BasePath) + "/"})
	if err != nil {
		return nil, err
	}
	e := &entrance{client: client, account: account, base: base, invites: AccountPage(o.Plan) != "", signedIn: o.SignedIn}
	if o.Config.Bool(setting.GuestAccess) { // the client is of use without a session
		e.signedIn = nil
	}
	administered, err := withAdministration(e, base, m, setting.OwnAdminPages)
	return withDocuments(administered, base, DocumentsPath), err
}

// Inspect returns what a directory is recognised as. The error is the one for which New refuses it.
func Inspect(o Options) (Found, error) {
	o.Log = nil
	d, err := newDirectory(o)
	if err != nil {
		return Found{}, err
	}
	return d.served.Load().now.found, nil
}

// newCache returns a cache for what is compressed. It takes little of the memory that there is, and even a large client
// fits in the most.
func newCache() *encoded.Cache {
	return encoded.NewCache(min(membudget.Read().Bytes/16, 64<<20))
}

// has reports whether a file exists and is not a directory.
func has(files fs.FS, name string) bool {
	info, err := fs.Stat(files, name)
	return err == nil && info.Mode().IsRegular()
}
