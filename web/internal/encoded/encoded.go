// Package encoded answers requests with files, each in the content coding (RFC 9110, 8.4) that suits client and server
// best: brotli, zstd, gzip, or none.
//
// What the build has compressed goes out as the build left it: a Folder looks for a sibling of the same name with
// ".br", ".zst" or ".gz" behind it, and believes it once it has been unpacked and compared with the file. Everything
// else is compressed here, once for each content and coding, however often it is asked for: by a fast level when the
// first request comes, whose answer begins before a large content is through, and by the best level in the background
// after that. The results are in the memory of a Cache, which has a bound. What finds no room there goes out as it is
// and is not compressed at all, so that no one can make the server compress one thing again and again.
//
// Every form of a file has a strong entity tag of its own, so that ranges and conditions are right whatever form a
// client has. The caller sets Content-Type, Cache-Control and the like before. Types that are not known to get smaller
// are left alone.
package encoded

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sizes of contents, in bytes. A smaller one than least is sent as it is, because nothing is won by less. A larger one
// than patient has to do with the fast level, because the best one takes fifty times the memory of a content. A larger
// one than largest is not compressed here; siblings of the build may be of any size.
const (
	least   = 1 << 8
	patient = 2 << 20
	largest = 8 << 20
)

// hash is the SHA-256 of a content.
type hash [sha256.Size]byte

// tag returns the entity tag of a content. Half of the hash is enough for that.
func (h hash) tag() string { return `"` + hex.EncodeToString(h[:16]) + `"` }

// Content is something in memory that a Cache serves.
type Content struct {
	data []byte
	hash hash
}

// NewContent returns a content of data, which must not change any more.
func NewContent(data []byte) *Content { return &Content{data, sha256.Sum256(data)} }

// Serve answers a request with a content, whose type the header must have.
func (c *Cache) Serve(w http.ResponseWriter, r *http.Request, content *Content) {
	size := int64(len(content.data))
	c.serve(w, r, source{
		hash: content.hash, size: size,
		plain:   form{body: bytes.NewReader(content.data), size: size, tag: content.hash.tag()},
		read:    func() ([]byte, error) { return content.data, nil },
		sibling: func(*coding) (form, bool) { return form{}, false },
	})
}

// source is a content, and how to come by its forms.
type source struct {
	name    string
	hash    hash
	size    int64
	plain   form
	read    func() ([]byte, error)
	sibling func(*coding) (form, bool)
}

// serve sends the form of a content that the client likes best, and we among those that it likes equally.
func (c *Cache) serve(w http.ResponseWriter, r *http.Request, s source) {
	if !compressible(w.Header().Get("Content-Type")) {
		s.plain.send(w, r, s.name)
		return
	}
	w.Header().Add("Vary", "Accept-Encoding")
	takes := accepted(r.Header)
	for _, coding := range takes.order() {
		if coding == nil {
			s.plain.send(w, r, s.name)
			return
		}
		f, ok := s.sibling(coding)
		if !ok {
			f, ok = c.form(r, s, coding, !takes.identity())
		}
		if ok {
			f.send(w, r, s.name)
			return
		}
	}
	w.Header().Set("Cache-Control", "no-cache")
	http.Error(w, "Not Acceptable: the file can be had as it is, or in one of the codings br, zstd and gzip", http.StatusNotAcceptable)
}

// form is one form of a content, ready to be sent.
type form struct {
	coding *coding // nil: the content itself
	body   io.ReadSeeker
	size   int64
	growth *growth // in place of body and size while the form is made
	tag    string  // "" if the content is not known well enough
	other  string  // the tag of another level of the same coding; "" if there is none
}

// send answers a request with a form. Ranges and conditions are left to http.ServeContent. There is no Last-Modified:
// the time of a file says less than its tag, and builds that can be reproduced give all files the same one.
func (f form) send(w http.ResponseWriter, r *http.Request, name string) {
	h := w.Header()
	f.tag, f.other = under(h, f.tag), under(h, f.other)
	switch {
	case f.other != "" && names(r, f.other): // what the client has unpacks to the same
		h.Set("ETag", f.other)
	case f.tag != "":
		h.Set("ETag", f.tag)
	}
	if f.coding != nil {
		h.Set("Content-Encoding", f.coding.name)
		if f.growth != nil {
			f.growth.send(w)
			return
		}
		w = &sized{w, f.size}
	}
	http.ServeContent(w, r, name, time.Time{}, f.body)
}

// under returns a tag that counts for the policy with which a form goes out. A browser that is told that its copy is
// good goes on with the policy of that copy: Chromium takes no header from a 304 that begins with "Content-".
func under(h http.Header, tag string) string {
	policy := h.Get("Content-Security-Policy")
	if policy == "" || tag == "" {
		return tag
	}
	sum := sha256.Sum256([]byte(policy))
	return strings.TrimSuffix(tag, `"`) + "-" + hex.EncodeToString(sum[:4]) + `"`
}

// names reports whether a request says that the client has the form with a tag.
func names(r *http.Request, tag string) bool {
	return slices.ContainsFunc(r.Header.Values("If-None-Match"), func(v string) bool { return strings.Contains(v, tag) })
}

// sized says how long a compressed answer is, which http.ServeContent leaves out.
type sized struct {
	http.ResponseWriter
	size int64
}

// WriteHeader implements http.ResponseWriter.
func (s *sized) WriteHeader(status int) {
	if status == http.StatusOK {
		s.Header().Set("Content-Length", strconv.FormatInt(s.size, 10))
	}
	s.ResponseWriter.WriteHeader(status)
}

// ReadFrom keeps the kernel's file copy available.
func (s *sized) ReadFrom(r io.Reader) (int64, error) { return io.Copy(s.ResponseWriter, r) }

// Unwrap is for http.ResponseController.
func (s *sized) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// compressible reports whether contents of a type get smaller: text, and the few formats that are not compressed in
// themselves. A type that is not set would be guessed from the content, and what a compressed form looks like says
// nothing of that.
func compressible(contentType string) bool {
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch name {
	case "application/json", "application/javascript", "application/manifest+json", "application/wasm", "application/xml",
		"image/svg+xml", "image/x-icon", "image/vnd.microsoft.icon", "font/ttf", "font/otf":
		return true
	}
	return strings.HasPrefix(name, "text/") && name != "text/event-stream"
}
