package encoded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"or3.chat/cloud/internal/patience"
)

// script is text as scripts are.
func script(lines int) string {
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "function f%d(a,b){return a[%d]+b.call(this,%q)}\n", i, random.IntN(1000), []string{"title", "message", "thread", "file"}[random.IntN(4)])
	}
	return b.String()
}

// folder serves files whose types go by their names, as package web does.
func folder(c *Cache, files fs.FS) http.Handler {
	f := c.Folder(files)
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".png": "image/png"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if t := types[filepath.Ext(name)]; t != "" {
			w.Header().Set("Content-Type", t)
		}
		if err := f.Serve(w, r, name); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
}

// answer is what came of a request: status, header and body, and the body unpacked.
type answer struct {
	status    int
	header    http.Header
	body      string
	unpacked  string
	announced int64
}

// ask sends a request over a connection, and unpacks what comes.
func ask(t *testing.T, h http.Handler, method, path string, header ...string) answer {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	h.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, body: string(body), unpacked: string(body), announced: res.ContentLength}
	if res.StatusCode != http.StatusOK || method == http.MethodHead {
		return a
	}
	for _, c := range codings {
		if c.name == res.Header.Get("Content-Encoding") {
			unpacked, err := c.unpack(body)
			if err != nil {
				t.Fatalf("%s: what came as %s is broken: %v", path, c.name, err)
			}
			a.unpacked = string(unpacked)
		}
	}
	return a
}

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

func compress(c *coding, content string, level int) []byte {
	var out bytes.Buffer
	if err := c.pack(&out, []byte(content), level); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func packed(name, content string) *fstest.MapFile {
	for _, c := range codings {
		if c.extension == name {
			return &fstest.MapFile{Data: compress(c, content, c.best)}
		}
	}
	panic(name)
}

// TestTheBestCodingThatTheClientTakes follows RFC 9110, 12.5.3.
func TestTheBestCodingThatTheClientTakes(t *testing.T) {
	content := script(200)
	h := folder(NewCache(1<<20), fstest.MapFS{"a.js": file(content)})
	const none, refused = "", "refused"
	tags := map[string]string{}
	for accept, want := range map[string]string{
		"": none, "identity": none, "compress, deflate": none, "gzip": "gzip", "x-gzip": "gzip", "GZip": "gzip", "br": "br", "zstd": "zstd",
		"gzip, deflate, br, zstd": "br", "gzip, zstd": "zstd", "br;q=0.9, gzip": "gzip", "br;q=0.9,zstd;q=0.95,gzip;q=0.1": "zstd",
		"gzip;q=0.5, identity": none, "gzip;q=0.5, identity;q=0.1": "gzip", "gzip;q=0": none, "gzip;q=0.000, br;q=0": none,
		"*": none, "*;q=0.5": none, "br;q=0, *": none, "gzip, *": "gzip", "gzip;q=0.5, *;q=0.1": "gzip", "*;q=0.5, identity;q=0.1": "br",
		"br;q=0, *;q=1, identity;q=0": "zstd", "identity;q=0, *": "br", "gzip, identity;q=0": "gzip", "gzip, *;q=0": "gzip", "identity, *;q=0": none,
		"identity;q=0": refused, "*;q=0": refused, "deflate, *;q=0": refused, "gzip;q=0, br;q=0, zstd;q=0, identity;q=0": refused,
		"gzip;q=x": none, "gzip;q=2": none, "gzip;q=-1": none, "gzip;q=NaN": none, "gzip;level=9": none, ",,;,": none, "gzip;q=0, gzip": none, "br ; q=1 , gzip": "br",
	} {
		t.Run(accept, func(t *testing.T) {
			a := ask(t, h, "GET", "/a.js", "Accept-Encoding", accept)
			if a.header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("Vary %q", a.header.Values("Vary"))
			}
			if want == refused {
				if a.status != http.StatusNotAcceptable || a.header.Get("Content-Encoding") != "" || a.header.Get("ETag") != "" {
					t.Errorf("%d %v", a.status, a.header)
				}
				return
			}
			if got := a.header.Get("Content-Encoding"); a.status != http.StatusOK || got != want {
				t.Errorf("%d %q, want %q", a.status, got, want)
			}
			if a.unpacked != content || a.announced != int64(len(a.body)) || a.header.Get("Content-Type") != "text/javascript; charset=utf-8" {
				t.Errorf("%d bytes, %d announced: %v", len(a.body), a.announced, a.header)
			}
			tag := a.header.Get("ETag")
			if other, taken := tags[tag]; !strings.HasPrefix(tag, `"`) || taken && other != want {
				t.Errorf("the tag of %q is %s, which %q has", want, tag, other)
			}
			tags[tag] = want
		})
	}
	if a := ask(t, h, "GET", "/a.js"); a.header.Get("Content-Encoding") != "" {
		t.Errorf("who says nothing gets %q", a.header.Get("Content-Encoding"))
	}
	if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "gzip;q=0", "Accept-Encoding", "br"); a.header.Get("Content-Encoding") != "br" {
		t.Errorf("two fields: %q", a.header.Get("Content-Encoding"))
	}
}

// TestConditionsAndRanges goes through a real connection, because the framing of an answer counts.
func TestConditionsAndRanges(t *testing.T) {
	content := script(200)
	cache := NewCache(1 << 20)
	cache.quiet = 0
	srv := httptest.NewServer(folder(cache, fstest.MapFS{"a.js": file(content), "b.js": file(content), "b.js.br": packed(".br", content)}))
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, MaxConnsPerHost: 1}}
	request := func(method, path string, header ...string) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "br")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		res, err := client.Do(r)
		if err != nil {
			t.Fatalf("%s %s %v: %v", method, path, header, err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatalf("%s %s %v: %v", method, path, header, err)
		}
		return res, string(body)
	}
	for _, path := range []string{"/a.js", "/b.js"} { // compressed here, and by the build
		request("GET", path)
		patience.Until(t, "the best level", func() bool {
			cache.mu.Lock()
			defer cache.mu.Unlock()
			return !cache.improving
		})
		whole, body := request("GET", path)
		tag, length := whole.Header.Get("ETag"), whole.ContentLength
		if whole.Header.Get("Content-Encoding") != "br" || length != int64(len(body)) {
			t.Errorf("%s: %d bytes, %v", path, length, whole.Header)
		}
		plain, _ := request("GET", path, "Accept-Encoding", "identity")
		if head, text := request("HEAD", path); head.StatusCode != 200 || text != "" || head.ContentLength != length || head.Header.Get("ETag") != tag {
			t.Errorf("%s: HEAD %d, %d bytes, %v", path, head.StatusCode, head.ContentLength, head.Header)
		}
		for _, c := range []struct {
			header []string
			status int
			body   string
		}{
			{[]string{"If-None-Match", tag}, 304, ""},
			{[]string{"If-None-Match", "W/" + tag}, 304, ""},
			{[]string{"If-None-Match", `"x", ` + tag}, 304, ""},
			{[]string{"If-None-Match", "*"}, 304, ""},
			{[]string{"If-None-Match", plain.Header.Get("ETag")}, 200, body},
			{[]string{"If-Match", tag}, 200, body},
			{[]string{"If-Match", plain.Header.Get("ETag")}, 412, ""},
			{[]string{"Range", "bytes=10-19"}, 206, body[10:20]},
			{[]string{"Range", "bytes=-5"}, 206, body[len(body)-5:]},
			{[]string{"Range", "bytes=10-19", "If-Range", tag}, 206, body[10:20]},
			{[]string{"Range", "bytes=10-19", "If-Range", plain.Header.Get("ETag")}, 200, body},
			{[]string{"Range", "bytes=x"}, 416, "invalid range\n"},
			{[]string{"Range", fmt.Sprintf("bytes=%d-", len(body))}, 416, "invalid range: failed to overlap\n"},
			{[]string{"Accept-Encoding", "gzip;q=0, identity", "Range", "bytes=10-19"}, 206, content[10:20]},
		} {
			res, got := request("GET", path, c.header...)
			if res.StatusCode != c.status || got != c.body || res.Header.Get("Vary") != "Accept-Encoding" {
				t.Errorf("%s %v: %d %q %v, want %d", path, c.header, res.StatusCode, got, res.Header, c.status)
			}
			if c.status >= 400 && (res.Header.Get("Content-Encoding") != "" && got != "") {
				t.Errorf("%s %v: the words of the error are said to be %s", path, c.header, res.Header.Get("Content-Encoding"))
			}
		}
	}
}

// TestSiblingsOfTheBuild are used where they unpack to the file, and only there.
func TestSiblingsOfTheBuild(t *testing.T) {
	content := script(100)
	for _, c := range codings {
		honest := compress(c, content, c.best)
		bomb := compress(c, strings.Repeat(content, 50), c.fast)
		for name, sibling := range map[string][]byte{
			"honest": honest, "another file": compress(c, script(99), c.best), "same length": compress(c, strings.ToUpper(content), c.best),
			"cut": honest[:len(honest)-3], "more behind": append(bytes.Clone(honest), "more"...), "empty": nil, "the file itself": []byte(content), "bomb": bomb,
		} {
			h := folder(NewCache(1<<20), fstest.MapFS{"a.js": file(content), "a.js" + c.extension: {Data: sibling}})
			for range 2 {
				a := ask(t, h, "GET", "/a.js", "Accept-Encoding", c.name)
				if used := a.body == string(sibling); a.unpacked != content || a.header.Get("Content-Encoding") != c.name || used != (name == "honest") {
					t.Errorf("%s: %s: used: %t, %v", c.name, name, used, a.header)
				}
			}
		}
	}

	// A window that browsers refuse is no better than broken bytes.
	large := script(1000)
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, zstd.WithWindowSize(64<<20))
	if err == nil {
		_, err = io.WriteString(w, large)
	}
	if err == nil {
		err = errors.Join(w.Flush(), w.Close()) // in parts, so that the window is not that of the content
	}
	if err != nil {
		t.Fatal(err)
	}
	h := folder(NewCache(1<<20), fstest.MapFS{"a.js": file(large), "a.js.zst": {Data: out.Bytes()}})
	if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "zstd"); a.body == out.String() || a.unpacked != large {
		t.Errorf("a window of 64 MiB goes out: %v", a.header)
	}
}

func TestWhatIsLeftAlone(t *testing.T) {
	content := script(100)
	small := "function a(){}"
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	h := folder(NewCache(1<<20), fstest.MapFS{
		"a.png": file(content), "a.woff2": file(content), "unnamed": file(content), "unnamed.gz": packed(".gz", content), "small.js": file(small),
		"noise.js": {Data: noise}, "large.js": {Data: bytes.Repeat([]byte(content), largest/len(content)+1)}, "twin.js": file(small), "twin.js.gz": packed(".gz", small),
	})
	for path, varies := range map[string]bool{"/a.png": false, "/a.woff2": false, "/unnamed": false, "/small.js": true, "/noise.js": true, "/large.js": true} {
		for range 2 {
			a := ask(t, h, "GET", path, "Accept-Encoding", "gzip, br, zstd")
			if a.status != 200 || a.header.Get("Content-Encoding") != "" || a.header.Get("ETag") == "" || (a.header.Get("Vary") != "") != varies {
				t.Errorf("%s: %d %v", path, a.status, a.header)
			}
		}
	}
	if a := ask(t, h, "GET", "/twin.js", "Accept-Encoding", "gzip, br"); a.header.Get("Content-Encoding") != "gzip" || a.unpacked != small {
		t.Errorf("the sibling of a small file: %v", a.header)
	}
	// Who does not take a file as it is gets it otherwise, as far as it is held in memory for that.
	for path, want := range map[string]int{"/small.js": 200, "/noise.js": 200, "/large.js": 406} {
		a := ask(t, h, "GET", path, "Accept-Encoding", "zstd, identity;q=0")
		if a.status != want || want == 200 && a.header.Get("Content-Encoding") != "zstd" {
			t.Errorf("%s without identity: %d %v", path, a.status, a.header)
		}
	}
	if a := ask(t, h, "GET", "/none.js", "Accept-Encoding", "br"); a.status != 404 {
		t.Errorf("a file that is not there: %d", a.status)
	}
}

// TestFilesChange shows that a file in place of another one, even of the same size and within the same moment, is not
// answered by what was known of the first.
func TestFilesChange(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := folder(NewCache(1<<20), os.DirFS(dir))
	one, two := script(100), strings.ToUpper(script(100))
	var tag string
	for _, content := range []string{one, two, one} {
		write("a.js", []byte(content))
		for _, accept := range []string{"br", "gzip", "identity"} {
			if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", accept); a.unpacked != content {
				t.Errorf("%s: the file from before", accept)
			}
		}
		a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "br", "If-None-Match", tag)
		if a.status != 200 {
			t.Errorf("%d for the tag from before", a.status)
		}
		tag = a.header.Get("ETag")
	}
	// A deployment may put the sibling there before the file.
	write("a.js.br", compress(codings[0], two, 11))
	if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "br"); a.unpacked != one {
		t.Error("the sibling of a file that is not there yet")
	}
	write("a.js", []byte(two))
	if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "br"); a.unpacked != two {
		t.Error("the file that a sibling waited for")
	}
	if err := os.Remove(filepath.Join(dir, "a.js")); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, h, "GET", "/a.js", "Accept-Encoding", "br"); a.status != 404 {
		t.Errorf("a file that is gone: %d", a.status)
	}
}

// TestTheBestLevelFollows: the first request is answered by the fast level, later ones by the best. What clients have
// from the first is still good.
func TestTheBestLevelFollows(t *testing.T) {
	for _, c := range codings {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				content := script(300)
				cache := NewCache(1 << 20)
				h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/html")
					cache.Serve(w, r, NewContent([]byte(content)))
				})
				first := ask(t, h, "GET", "/", "Accept-Encoding", c.name)
				time.Sleep(quiet - time.Second)
				if soon := ask(t, h, "GET", "/", "Accept-Encoding", c.name); soon.body != first.body {
					t.Error("the background works beside a visit")
				}
				time.Sleep(2 * time.Second)
				second := ask(t, h, "GET", "/", "Accept-Encoding", c.name)
				if first.body != string(compress(c, content, c.fast)) || second.body != string(compress(c, content, c.best)) || second.unpacked != content {
					t.Errorf("%d bytes at first, then %d", len(first.body), len(second.body))
				}
				if first.header.Get("ETag") == second.header.Get("ETag") || len(second.body) >= len(first.body) {
					t.Errorf("%d and %d bytes under %s and %s", len(first.body), len(second.body), first.header.Get("ETag"), second.header.Get("ETag"))
				}
				again := ask(t, h, "GET", "/", "Accept-Encoding", c.name, "If-None-Match", first.header.Get("ETag"))
				if again.status != 304 || again.header.Get("ETag") != first.header.Get("ETag") {
					t.Errorf("the form from before: %d %v", again.status, again.header)
				}
				resumed := ask(t, h, "GET", "/", "Accept-Encoding", c.name, "Range", "bytes=10-", "If-Range", first.header.Get("ETag"))
				if resumed.status != 200 || resumed.unpacked != content {
					t.Errorf("the rest of the form from before: %d", resumed.status)
				}
				if cache.held != int64(len(second.body)) {
					t.Errorf("%d bytes are held, not %d", cache.held, len(second.body))
				}
			})
		})
	}
}

// TestEachContentIsCompressedOnce counts how often a content is read for that.
func TestEachContentIsCompressedOnce(t *testing.T) {
	c := NewCache(1 << 20)
	content := NewContent([]byte(script(200)))
	var mu sync.Mutex
	reads := 0
	s := source{hash: content.hash, size: int64(len(content.data)), read: func() ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		reads++
		return content.data, nil
	}}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, ok := c.form(httptest.NewRequest("GET", "/", nil), s, codings[0], false); !ok {
				t.Error("no form")
			}
		})
	}
	wg.Wait()
	if reads != 1 {
		t.Errorf("read %d times", reads)
	}
	// What cannot be read, or is something else by now, is tried again.
	for _, s := range []source{
		{hash: hash{1}, size: 2000, read: func() ([]byte, error) { return nil, errors.New("unreadable") }},
		{hash: hash{2}, size: 2000, read: func() ([]byte, error) { return content.data, nil }},
	} {
		if _, ok := c.form(httptest.NewRequest("GET", "/", nil), s, codings[0], false); ok {
			t.Error("a form of another content")
		}
	}
	if len(c.packs) != 1 {
		t.Errorf("%d packs", len(c.packs))
	}
}

// slow is a coding whose compressor gives away a first piece, and the rest when it is told to.
func slow(first, rest string, more <-chan error) *coding {
	return &coding{name: "slow", fast: 1, best: 2, writer: func(w io.Writer, _, _ int) (io.WriteCloser, error) {
		_, err := io.WriteString(w, first)
		return &slowly{w: w, rest: rest, more: more}, err
	}}
}

type slowly struct {
	w    io.Writer
	rest string
	more <-chan error
}

func (s *slowly) Write(p []byte) (int, error) { return len(p), nil }

func (s *slowly) Close() error {
	if err := <-s.more; err != nil {
		return err
	}
	_, err := io.WriteString(s.w, s.rest)
	return err
}

// TestALargeContentGoesOutWhileItIsCompressed: a request for all of it does not wait for the end. All others do.
func TestALargeContentGoesOutWhileItIsCompressed(t *testing.T) {
	content := NewContent(bytes.Repeat([]byte("x"), felt+1))
	for _, failure := range []error{nil, errors.New("no")} {
		c, more := NewCache(1<<20), make(chan error)
		by := slow("first,", "rest", more)
		s := source{hash: content.hash, size: int64(len(content.data)), read: func() ([]byte, error) { return content.data, nil }}
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if f, ok := c.form(r, s, by, false); ok {
				f.send(w, r, "")
			} else {
				http.Error(w, "none", http.StatusTeapot)
			}
		}))
		defer srv.Close()
		res, err := http.Get(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		first := make([]byte, 6)
		if _, err := io.ReadFull(res.Body, first); err != nil || string(first) != "first," || res.ContentLength != -1 {
			t.Fatalf("%q of %d bytes: %v", first, res.ContentLength, err)
		}
		others := make(chan string)
		for _, header := range []string{"Range", "If-None-Match"} {
			go func() {
				r := httptest.NewRequest("GET", "/", nil)
				r.Header.Set(header, map[string]string{"Range": "bytes=0-4", "If-None-Match": res.Header.Get("ETag")}[header])
				w := httptest.NewRecorder()
				if f, ok := c.form(r, s, by, false); ok {
					f.send(w, r, "")
					others <- fmt.Sprint(w.Code, w.Body)
				} else {
					others <- "none"
				}
			}()
		}
		go func() { // also for another attempt, after a failure
			for {
				select {
				case more <- failure:
				case <-t.Context().Done():
					return
				}
			}
		}()
		rest, err := io.ReadAll(res.Body)
		got := []string{<-others, <-others}
		slices.Sort(got)
		if failure != nil {
			if err == nil || len(rest) > 0 || got[0] != "none" || got[1] != "none" {
				t.Errorf("a compressor that fails: %q, %v, the others %q", rest, err, got)
			}
			continue
		}
		if err != nil || string(rest) != "rest" || got[0] != "206 first" || got[1] != "304 " {
			t.Errorf("%q, %v, the others %q", rest, err, got)
		}
	}
}

// TestTheRoomOfACache: without room nothing is compressed, and what was asked for lately keeps its place.
func TestTheRoomOfACache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCache(10_000)
		reads := 0
		ask := func(id byte, size int) bool {
			data := bytes.Repeat([]byte{id}, size)
			content := NewContent(data)
			_, ok := c.form(httptest.NewRequest("GET", "/", nil), source{hash: content.hash, size: int64(size), read: func() ([]byte, error) {
				reads++
				return data, nil
			}}, codings[2], false)
			return ok
		}
		if ask(1, 20_000) || reads != 0 {
			t.Error("more than the room")
		}
		if !ask(2, 9000) || !ask(3, 9000) { // each takes some bytes once it is compressed
			t.Error("no room for contents that fit")
		}
		// Forms that stay large fill it.
		noise := make([]byte, 9000)
		for i := range noise {
			noise[i] = byte(rand.IntN(200))
		}
		content := NewContent(noise)
		if _, ok := c.form(httptest.NewRequest("GET", "/", nil), source{hash: content.hash, size: 9000, read: func() ([]byte, error) { return noise, nil }}, codings[2], true); !ok {
			t.Error("no room beside small forms")
		}
		before := reads
		for range 3 {
			if ask(4, 9000) {
				t.Error("a form without room")
			}
		}
		if reads != before {
			t.Error("compressed without room")
		}
		if !ask(2, 9000) {
			t.Error("what was there is gone")
		}
		time.Sleep(idle / 2)
		if !ask(2, 9000) {
			t.Error("what was there is gone")
		}
		time.Sleep(idle/2 + time.Second)
		if !ask(4, 9000) {
			t.Error("the room of what no one asks for is not given away")
		}
		before = reads
		if !ask(2, 9000) || reads != before {
			t.Error("what was asked for lately lost its place")
		}
		if c.held > c.room {
			t.Errorf("%d of %d bytes", c.held, c.room)
		}
		time.Sleep(time.Minute) // until the background is done
	})
}

// FuzzAcceptEncoding: whatever a client says, it gets the content in a coding that it has named or has not refused, or
// a refusal.
func FuzzAcceptEncoding(f *testing.F) {
	for _, seed := range []string{"", "gzip", "gzip;q=0", "br, *;q=0", "identity;q=0", "*", "gzip;q=0.5;x, br;q=", ";;,,==", "zstd;q=1e-9"} {
		f.Add(seed)
	}
	content := script(40)
	h := folder(NewCache(1<<20), fstest.MapFS{"a.js": file(content), "a.js.gz": packed(".gz", content)})
	f.Fuzz(func(t *testing.T, accept string) {
		a := ask(t, h, "GET", "/a.js", "Accept-Encoding", accept)
		takes := accepted(http.Header{"Accept-Encoding": {accept}})
		switch coding := a.header.Get("Content-Encoding"); {
		case a.status == http.StatusNotAcceptable:
			if takes.identity() {
				t.Errorf("%q: refused, though the file as it is would do", accept)
			}
		case a.status != http.StatusOK || a.unpacked != content:
			t.Errorf("%q: %d with another content", accept, a.status)
		case coding == "" && !takes.identity(), coding != "" && takes.of(coding) == 0:
			t.Errorf("%q: sent as %q", accept, coding)
		}
	})
}

// slowFiles have one file, which can be read once the gate is open. They count what is read of it.
type slowFiles struct {
	fstest.MapFS
	gate chan struct{}
	read *atomic.Int64
}

type slowFile struct {
	fs.File
	of slowFiles
}

func (f slowFiles) Open(name string) (fs.File, error) {
	file, err := f.MapFS.Open(name)
	return slowFile{file, f}, err
}

func (f slowFile) Read(p []byte) (int, error) {
	<-f.of.gate
	n, err := f.File.Read(p)
	f.of.read.Add(int64(n))
	return n, err
}

func (f slowFile) Seek(offset int64, whence int) (int64, error) {
	return f.File.(io.Seeker).Seek(offset, whence)
}

// TestAFileIsReadOnceForAllWhoWait, also one that is too young for what is known of it to be kept.
func TestAFileIsReadOnceForAllWhoWait(t *testing.T) {
	for _, age := range []time.Duration{0, time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			data := []byte(script(1000))
			files := slowFiles{fstest.MapFS{"a.png": {Data: data, ModTime: time.Now().Add(-age)}}, make(chan struct{}), new(atomic.Int64)}
			h := folder(NewCache(1<<20), files)
			tags := make(chan string, 20)
			for range cap(tags) {
				go func() { tags <- ask(t, h, "HEAD", "/a.png").header.Get("ETag") }()
			}
			synctest.Wait()
			close(files.gate)
			first := <-tags
			for range cap(tags) - 1 {
				if tag := <-tags; tag != first || tag == "" {
					t.Errorf("tags %s and %s", first, tag)
				}
			}
			if n := files.read.Load(); n != int64(len(data)) {
				t.Errorf("%d bytes were read of a file of %d", n, len(data))
			}
		})
	}
}
