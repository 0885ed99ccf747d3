package web

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
)

// Found is what a directory was recognised as.
type Found struct {
	// Form says which kind of build it is.
	Form Form
	// Cloud says that the server has accounts. Otherwise nothing of the build is changed, nor looked at more closely.
	Cloud bool
	// Configured says that the client is told of this server. Otherwise Why says why not.
	Configured bool
	Why        string
	// Workers are the names of service workers whose list of files follows the configuration.
	Workers []string
	// AccountUI says that the client signs people in itself. Otherwise they do so on the built-in page. It is true for
	// all providers of accounts that the built-in page knows nothing of.
	AccountUI bool
}

// Form is a kind of build.
type Form string

// The forms. Plain is what has a start page that was not written by Nuxt.
const (
	Static Form = "static build (nuxt generate)"
	Server Form = "public folder of a server build"
	Plain  Form = "pages that are not OR3 Chat"
)

// lacksAccountUI reports whether it is a client on which no one can sign in.
func (f Found) lacksAccountUI() bool { return f.Form != Plain && !f.AccountUI }

// followsInvites reports whether the client deals with the token of an invite in its address.
func (f Found) followsInvites() bool { return f.Form != Plain && f.AccountUI }

// log says what was found.
func (f Found) log(log *slog.Logger, dir string) {
	log.Info("serving the client", "dir", dir, "form", string(f.Form), "configured", f.Configured)
	if f.Why != "" {
		log.Warn("the client is served as it was built, and knows nothing of this server's settings: "+f.Why, "dir", dir)
	}
	if f.Cloud && f.lacksAccountUI() {
		log.Warn("the client was built without a UI for the accounts of this server; people sign in at "+AccountPath+"/", "dir", dir)
	}
}

// expected says what --web takes, where something else was given.
const expected = "give the directory that the client's build wrote: that of a static build (nuxt generate), or the public folder of a server build (.output/public)"

// missing is the refusal of a directory without a page. It looks where builds put one.
func missing(files fs.FS) error {
	for _, name := range shells {
		if _, err := fs.Stat(files, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // it is there, and cannot be had
		}
	}
	for _, folder := range []string{".output/public", "public", "dist"} {
		for _, name := range shells {
			if has(files, folder+"/"+name) {
				return fmt.Errorf("has no client itself, but %s in it has: give that one; %s", folder, expected)
			}
		}
	}
	return fmt.Errorf("has no index.html and no 200.html; %s", expected)
}
