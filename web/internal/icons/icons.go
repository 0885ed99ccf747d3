// Package icons answers the endpoint from which the client gets icons: /api/_nuxt_icon/COLLECTION.json?icons=a,b,c,
// which in a build of Nuxt belongs to the server half (github.com/nuxt/icon, src/runtime/server/api.ts). The
// collections that OR3 Chat uses are in the program; a client that uses others, or other versions, brings them in its
// folder.
//
// It never asks an outside service, and gives a client no reason to: after any answer but 200 and 404 the client turns
// to api.iconify.design (@iconify/core, src/api/modules/fetch). So a collection that is unknown is a 404, and icons
// that are unknown are named in the answer as the service does, where the endpoint of Nuxt answers 204 if it has none
// of them.
package icons

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/andybalholm/brotli"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/web/internal/encoded"
)

// Path is what the paths of the endpoint begin with.
const Path = "/api/_nuxt_icon/"

// packed are the collections, written by scripts/icons, and what their authors want to be said with them.
//
//go:embed data/*.br licenses/*.txt
var packed embed.FS

// Bounds of a request and of what is read for it, in bytes. Clients ask for 500 characters at once.
const (
	longestQuery      = 2 << 10
	largestCollection = 16 << 20
)

// idle is how long a collection that no one asks for stays in memory. All five take 12 MB.
const idle = 10 * time.Minute

// answersRoom is the memory for compressed answers. Pages ask for the same few of them.
const answersRoom = 4 << 20

// Icons serves icons. Use New.
type Icons struct {
	answers *encoded.Cache

	mu      sync.Mutex
	shelf   map[string]*collection
	cleared *time.Timer // when the shelf is looked through next; nil while it is empty
}

// New returns the collections of the program.
func New() *Icons {
	return &Icons{answers: encoded.NewCache(answersRoom), shelf: map[string]*collection{}}
}

// name is what collections and icons may be called.
var name = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)

// Serve implements httpapi.Handler for paths that begin with Path. client is the folder of the client; a file in it at
// the path of a collection is the collection, in the JSON of Iconify.
func (i *Icons) Serve(w http.ResponseWriter, r *http.Request, client fs.FS) error {
	of, below := strings.CutPrefix(r.URL.Path, Path)
	if !below || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return httpapi.NotFound(w, r)
	}
	if of == "licenses" {
		return i.licenses(w, r)
	}
	if of = strings.TrimSuffix(of, ".json"); !name.MatchString(of) {
		return httpapi.NotFound(w, r)
	}
	if len(r.URL.RawQuery) > longestQuery {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Too many icons at once: the query is longer than %d characters", longestQuery)
	}
	names := strings.Split(strings.Join(r.URL.Query()["icons"], ","), ",")
	if len(names) == 1 && names[0] == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "No icons specified")
	}
	c, err := i.collection(of, client)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return or3cloud.Errorf(or3cloud.CodeNotFound, "There is no collection of icons named %s here", of)
	case err != nil:
		return fmt.Errorf("the icons of %s: %w", of, err)
	}
	var answer bytes.Buffer
	e := json.NewEncoder(&answer)
	e.SetEscapeHTML(false)
	if err := e.Encode(c.pick(names)); err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=86400, stale-while-revalidate=604800")
	i.answers.Serve(w, r, encoded.NewContent(answer.Bytes()))
	return nil
}

// licenses answers with what the authors of the collections want to be said with them.
func (i *Icons) licenses(w http.ResponseWriter, r *http.Request) error {
	files, err := fs.Glob(packed, "licenses/*.txt")
	if err != nil {
		return err
	}
	var all bytes.Buffer
	for n, file := range files {
		text, err := packed.ReadFile(file)
		if err != nil {
			return err
		}
		if n > 0 {
			fmt.Fprintf(&all, "\n%s\n\n", strings.Repeat("=", 80))
		}
		all.Write(text)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	i.answers.Serve(w, r, encoded.NewContent(all.Bytes()))
	return nil
}

// collection returns a collection: the client's own, or the one in the program.
func (i *Icons) collection(of string, client fs.FS) (*collection, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	own, err := client.Open(path.Join(strings.TrimPrefix(Path, "/"), of+".json"))
	var info fs.FileInfo
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		defer own.Close()
		if info, err = own.Stat(); err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() {
			own, info = nil, nil
		}
	}
	c := i.shelf[of]
	if c == nil || !same(c.info, info) {
		if own != nil {
			c, err = read(own)
		} else {
			c, err = unpack(of)
		}
		if err != nil {
			return nil, err
		}
		c.info = info
		i.shelf[of] = c
	}
	c.asked = time.Now()
	if i.cleared == nil {
		i.cleared = time.AfterFunc(idle, i.clear)
	}
	return c, nil
}

// same reports whether a collection comes from the same file as before; nil is the program.
func same(before, now fs.FileInfo) bool {
	if before == nil || now == nil {
		return before == now
	}
	return before.Size() == now.Size() && before.ModTime().Equal(now.ModTime()) && os.SameFile(before, now)
}

// clear forgets the collections that no one has asked for.
func (i *Icons) clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for of, c := range i.shelf {
		if time.Since(c.asked) >= idle {
			delete(i.shelf, of)
		}
	}
	if i.cleared = nil; len(i.shelf) > 0 {
		i.cleared = time.AfterFunc(idle, i.clear)
	}
}

// unpack returns a collection of the program.
func unpack(of string) (*collection, error) {
	file, err := packed.Open("data/" + of + ".json.br")
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return read(brotli.NewReader(file))
}

// read reads a collection.
func read(from io.Reader) (*collection, error) {
	text, err := io.ReadAll(io.LimitReader(from, largestCollection+1))
	if err != nil {
		return nil, err
	}
	if len(text) > largestCollection {
		return nil, fmt.Errorf("a collection has more than %d bytes", largestCollection)
	}
	c := &collection{}
	if err := json.Unmarshal(text, c); err != nil {
		return nil, err
	}
	return c, nil
}
