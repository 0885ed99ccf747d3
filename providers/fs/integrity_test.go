package fs

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

// randomContent returns n bytes in which no two blocks are equal.
func randomContent(n int, seed uint64) string {
	b := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	random.Read(b)
	return string(b)
}

// flip changes one bit of a file; flipping it again restores it.
func flip(t testing.TB, path string, bit int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], bit/8); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << (bit % 8)
	if _, err := f.WriteAt(b[:], bit/8); err != nil {
		t.Fatal(err)
	}
}

// newServer serves the routes over the network, where a broken connection can be told from a short answer.
func newServer(t testing.TB, r *rig) *httptest.Server {
	server := httptest.NewServer(providertest.ServeRoutes(r.Routes()))
	t.Cleanup(server.Close)
	return server
}

func fetch(t testing.TB, server *httptest.Server, target, span string) (status int, header http.Header, body []byte, err error) {
	t.Helper()
	req, _ := http.NewRequest("GET", server.URL+target, nil)
	req.Header.Set("X-User", "u")
	if span != "" {
		req.Header.Set("Range", span)
	}
	res, err := server.Client().Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer res.Body.Close()
	body, err = io.ReadAll(res.Body)
	return res.StatusCode, res.Header, body, err
}

// TestFlippedBitsAreNeverServed flips 1,000 random bits, one after the other, and requests the whole blob, a range that
// touches the bit's block and one that does not.
func TestFlippedBitsAreNeverServed(t *testing.T) {
	const flips, size = 1000, 5*digest.BlockSize + 1234
	r := newRig(t)
	r.disk.lazy = true
	content := randomContent(size, 1)
	r.store(content)
	server := newServer(t, r)
	c := downloadClaims(r, content)
	target := r.target(downloadPath, c)
	path := r.path(content)
	random := rand.New(rand.NewPCG(7, 7))
	broken, refused := 0, 0
	for range flips {
		bit := random.Int64N(size * 8)
		flip(t, path, bit)
		at := bit / 8
		block := at / digest.BlockSize
		from, to := random.Int64N(at+1), at+random.Int64N(size-at)
		for _, span := range []string{
			"", fmt.Sprintf("bytes=%d-%d", from, to), fmt.Sprintf("bytes=%d-%d", at, at),
			// Only neighbours of the bit, but their block is damaged.
			fmt.Sprintf("bytes=%d-%d", block*digest.BlockSize, block*digest.BlockSize),
			fmt.Sprintf("bytes=0-0,%d-%d", from, to),
		} {
			status, _, body, err := fetch(t, server, target, span)
			switch {
			case status == 503 && err == nil:
				refused++
			case err != nil:
				broken++
			default:
				t.Fatalf("bit %d, %q: %d with %d bytes", bit, span, status, len(body))
			}
			if status == 200 && !strings.HasPrefix(content, string(body)) {
				t.Fatalf("bit %d: wrong bytes were sent before the connection was broken off", bit)
			}
			if status == 206 && !strings.Contains(span, ",") && !strings.HasPrefix(content[from:], string(body)) {
				t.Fatalf("bit %d, %q: wrong bytes were sent before the connection was broken off", bit, span)
			}
		}
		whole := (block + 1) % 5 // A block that is not damaged.
		span := fmt.Sprintf("bytes=%d-%d", whole*digest.BlockSize, whole*digest.BlockSize+99)
		status, _, body, err := fetch(t, server, target, span)
		if status != 206 || err != nil || string(body) != content[whole*digest.BlockSize:whole*digest.BlockSize+100] {
			t.Fatalf("bit %d, %q beside it: %d, %v", bit, span, status, err)
		}
		flip(t, path, bit)
	}
	t.Logf("%d flips: %d answers refused, %d broken off", flips, refused, broken)
	if status, _, body, err := fetch(t, server, target, ""); status != 200 || err != nil || string(body) != content {
		t.Errorf("mended: %d, %v", status, err)
	}
}

// largeContent is enough for two windows and a bit more.
func largeContent(seed uint64) string {
	return randomContent(2*digest.WindowSize+3*digest.BlockSize+1234, seed)
}

// TestFlippedBitsOfALargeBlobAreNeverServed is TestFlippedBitsAreNeverServed for downloads that read ahead.
func TestFlippedBitsOfALargeBlobAreNeverServed(t *testing.T) {
	r := newRig(t)
	r.disk.lazy = true
	content := largeContent(3)
	size := int64(len(content))
	r.store(content)
	server := newServer(t, r)
	target, path := r.target(downloadPath, downloadClaims(r, content)), r.path(content)
	random := rand.New(rand.NewPCG(8, 8))
	for range 50 {
		bit := random.Int64N(size * 8)
		flip(t, path, bit)
		first := min(random.Int64N(digest.BlockSize), bit/8)
		for _, from := range []int64{0, first} {
			span := ""
			if from > 0 {
				span = fmt.Sprintf("bytes=%d-", from)
			}
			status, _, body, err := fetch(t, server, target, span)
			if err == nil && status != 503 {
				t.Fatalf("bit %d, %q: %d with %d bytes", bit, span, status, len(body))
			}
			if err != nil && !strings.HasPrefix(content[from:], string(body)) {
				t.Fatalf("bit %d, %q: wrong bytes were sent before the connection was broken off", bit, span)
			}
		}
		flip(t, path, bit)
	}
	if status, _, body, err := fetch(t, server, target, ""); status != 200 || err != nil || string(body) != content {
		t.Errorf("mended: %d with %d bytes, %v", status, len(body), err)
	}
}

// TestDownloadsGoOnWhereNoMoreReadAhead: a download that finds all places taken is sent from a buffer.
func TestDownloadsGoOnWhereNoMoreReadAhead(t *testing.T) {
	r := newRig(t)
	content := largeContent(8)
	r.store(content)
	for range digest.MaxReadAhead {
		f, _, err := r.copies.FindVerified(t.Context(), keyOf(content))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ahead, ok := f.(*digest.File).ReadAhead(2 * digest.WindowSize)
		if !ok {
			t.Fatal("nothing is read ahead")
		}
		defer ahead.Stop()
	}
	if rec := r.get(downloadClaims(r, content)); rec.Code != 200 || rec.Body.String() != content {
		t.Errorf("without a place: %d with %d bytes", rec.Code, rec.Body.Len())
	}
}

func TestDamageInTheFirstBlockIsA503(t *testing.T) {
	r := newRig(t)
	content := randomContent(2*digest.BlockSize, 2)
	r.store(content)
	flip(t, r.path(content), 77)
	rec := r.get(downloadClaims(r, content), "Range", "bytes=5-9")
	if rec.Code != 503 || message(rec) != "Storage unavailable" {
		t.Errorf("%d %q, headers %v", rec.Code, message(rec), rec.Header())
	}
	for _, name := range []string{"ETag", "Content-Range", "Content-Disposition", "Accept-Ranges"} {
		if v := rec.Header().Get(name); v != "" {
			t.Errorf("%s: %s", name, v)
		}
	}
	if err := r.presignDownload(content); err != nil {
		t.Errorf("a damaged blob must not look absent: %v", err)
	}
}

// TestDamagedBlobIsReplacedByTheNextUpload: the damage is noted across a restart, and an upload heals it.
func TestDamagedBlobIsReplacedByTheNextUpload(t *testing.T) {
	r := newRig(t)
	content := randomContent(3*digest.BlockSize, 3)
	r.store(content)
	first := r.record(content).Generation
	flip(t, r.path(content), 8*volume.BufferSize) // what is read first is intact
	if status, _, _, err := fetch(t, newServer(t, r), r.target(downloadPath, downloadClaims(r, content)), ""); status != 200 || err == nil {
		t.Fatalf("%d, %v", status, err)
	}
	if r.record(content).DamagedAt == nil {
		t.Fatal("the damage was not noted")
	}
	r.restart()
	if err := r.commit(content); err != nil {
		t.Fatal(err)
	}
	r.store(content)
	rec := r.record(content)
	if rec.DamagedAt != nil || rec.Generation == first || rec.CommittedAt == nil {
		t.Errorf("%+v", rec)
	}
	if got := r.get(downloadClaims(r, content)); got.Code != 200 || got.Body.String() != content {
		t.Errorf("%d", got.Code)
	}
	r.mustGC()
	if files := r.files(); len(files) != 3 {
		t.Errorf("left %v", files)
	}
}

// TestUploadThatWasOnlyComparedDoesNotVouchForADamagedBlob: its bytes were thrown away, so success would be a lie.
func TestUploadThatWasOnlyComparedDoesNotVouchForADamagedBlob(t *testing.T) {
	r := newRig(t)
	r.store("content")
	body, feed := newPipe()
	done := make(chan int)
	go func() { done <- r.put(uploadClaims(r, "content"), body).Code }()
	feed.Write([]byte("cont"))
	flip(t, r.path("content"), 0)
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 {
		t.Errorf("download: %d", rec.Code)
	}
	feed.Write([]byte("ent"))
	feed.Close()
	if code := <-done; code != 503 {
		t.Errorf("upload: %d", code)
	}
	if code := r.upload("content"); code != 200 {
		t.Errorf("second attempt: %d", code)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 200 {
		t.Errorf("download: %d", rec.Code)
	}
}

// TestDamagedDigestsAreRewrittenFromAGoodBlob: damaged digests are a reason neither to refuse a blob nor to serve it
// unverified.
func TestDamagedDigestsAreRewrittenFromAGoodBlob(t *testing.T) {
	content := randomContent(2*digest.BlockSize+5, 4)
	for name, change := range map[string]func(sums []byte) []byte{
		"flipped":     func(b []byte) []byte { b[20] ^= 1; return b },
		"truncated":   func(b []byte) []byte { return b[:len(b)-1] },
		"empty":       func([]byte) []byte { return nil },
		"version two": func(b []byte) []byte { b[len("or3sums1")-1]++; return b },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.store(content)
			sums := r.path(content) + layout.SumsSuffix
			good, err := os.ReadFile(sums)
			if err != nil {
				t.Fatal(err)
			}
			spoil := func() {
				if err := os.WriteFile(sums, change(bytes.Clone(good)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			spoil()
			if rec := r.get(downloadClaims(r, content)); rec.Code != 200 || rec.Body.String() != content {
				t.Errorf("%d", rec.Code)
			}
			if now, _ := os.ReadFile(sums); !bytes.Equal(now, good) {
				t.Error("the digests were not made again")
			}
			spoil()
			flip(t, r.path(content), 8*2*digest.BlockSize)
			if rec := r.get(downloadClaims(r, content), "Range", "bytes=0-9"); rec.Code != 503 {
				t.Errorf("both damaged: %d", rec.Code)
			}
			if r.record(content).DamagedAt == nil {
				t.Error("the damage was not noted")
			}
		})
	}
}

// TestBlobsWithoutDigestsAreServed: those of the npm package and of earlier versions, and also after they were in the
// trash.
func TestBlobsWithoutDigestsAreServed(t *testing.T) {
	r := newRig(t)
	r.store("content")
	if err := os.Remove(r.path("content") + layout.SumsSuffix); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func(){func() {}, func() { r.clock.Advance(aged); r.mustGC() }, func() { r.commit("content") }} {
		step()
		if rec := r.get(downloadClaims(r, "content")); rec.Code != 200 || rec.Body.String() != "content" {
			t.Errorf("%d", rec.Code)
		}
	}
}

func TestDigestsGoWithTheBlob(t *testing.T) {
	r := newRig(t)
	content := randomContent(digest.BlockSize+1, 5)
	r.store(content)
	r.clock.Advance(aged)
	r.mustGC()
	trashed := keyOf(content).Trash(r.record(content).Generation) + layout.SumsSuffix
	if _, err := os.Stat(r.dir + "/" + trashed); err != nil {
		t.Errorf("in the trash: %v, files %v", err, r.files())
	}
	if err := r.commit(content); err != nil { // Rescued under another name.
		t.Fatal(err)
	}
	flip(t, r.path(content), 3)
	if rec := r.get(downloadClaims(r, content)); rec.Code != 503 {
		t.Errorf("a rescued blob lost its digests: %d", rec.Code)
	}
}

func TestVerifiedDownloadHoldsTwoWindows(t *testing.T) {
	const size = 64 << 20
	r := newRig(t)
	content := strings.Repeat("0123456789abcdef", size/16)
	r.store(content)
	req := httptest.NewRequest("GET", r.target(downloadPath, downloadClaims(r, content)), nil)
	req.Header.Set("X-User", "u")
	w := &discard{header: http.Header{}}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	providertest.ServeRoutes(r.Routes()).ServeHTTP(w, req)
	runtime.ReadMemStats(&after)
	if w.n != size {
		t.Errorf("%d bytes", w.n)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 2*digest.WindowSize+1<<20 {
		t.Errorf("download of %d bytes allocated %d", size, used)
	}
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }

// BenchmarkDownload compares verified downloads over the loopback interface with those that the kernel sends.
func BenchmarkDownload(b *testing.B) {
	const size = 64 << 20
	for _, verified := range []bool{false, true} {
		b.Run(fmt.Sprintf("verified=%v", verified), func(b *testing.B) {
			r := newRig(b)
			content := strings.Repeat("0123456789abcdef", size/16)
			r.store(content)
			if !verified {
				if err := os.Remove(r.path(content) + layout.SumsSuffix); err != nil {
					b.Fatal(err)
				}
			}
			server := newServer(b, r)
			c := downloadClaims(r, content)
			c.Expires = c.Expires.Add(time.Hour)
			target := r.target(downloadPath, c)
			b.SetBytes(size)
			for b.Loop() {
				req, _ := http.NewRequest("GET", server.URL+target, nil)
				req.Header.Set("X-User", "u")
				res, err := server.Client().Do(req)
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if n != size || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}
