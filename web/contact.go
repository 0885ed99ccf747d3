package web

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// ContactPath is where people who have found a vulnerability look for whom to tell (RFC 9116), on every site.
const ContactPath = "/.well-known/security.txt"

// contactLife is how long what the file says may be relied on. It is written when it is asked for, so it does not grow
// old while the server runs; RFC 9116 §2.5.5 wants less than a year.
const contactLife = 120 * 24 * time.Hour

// contact answers with whom to tell of vulnerabilities, as the operator has set it, unless the client has a file of its
// own that says it. Without either there is no such file, and no page in its place.
type contact struct {
	next   http.Handler
	client *directory // nil without one
	lines  string     // empty without a contact
	now    func() time.Time
}

// contactLines are what a configuration says of the contact.
func contactLines(cfg or3cloud.Config) string {
	var b strings.Builder
	for _, to := range cfg.List(setting.SecurityContact) {
		fmt.Fprintf(&b, "Contact: %s\n", to)
	}
	if b.Len() == 0 {
		return ""
	}
	fmt.Fprintf(&b, "Preferred-Languages: %s\n", strings.Join(cfg.List(setting.SecurityLanguages), ", "))
	// It has to be an address of HTTPS. The file is at the root of the site, whatever path this server is below.
	if origin := cfg.String(setting.PublicURL); strings.HasPrefix(origin, "https://") {
		fmt.Fprintf(&b, "Canonical: %s%s\n", origin, ContactPath)
	}
	return b.String()
}

// ServeHTTP implements http.Handler.
func (c contact) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != ContactPath || c.client != nil && c.client.current().now.has(ContactPath):
		c.next.ServeHTTP(w, r)
	case !readsOnly(w, r):
	case c.lines == "":
		notFound(w)
	default:
		// A day has one text, so that who watches the file sees no change in each minute.
		day := c.now().UTC().Truncate(24 * time.Hour)
		text := c.lines + "Expires: " + day.Add(contactLife).Format(time.RFC3339) + "\n"
		h := w.Header()
		h.Set("Content-Type", "text/plain; charset=utf-8")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Length", strconv.Itoa(len(text)))
		if r.Method == http.MethodGet {
			_, _ = io.WriteString(w, text) // who does not read it to its end is gone
		}
	}
}
