package host

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// ask sends a request with its own headers, in pairs, as the victim.
func (s *scene) ask(method, path, body string, headers ...string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	res, err := s.victim.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	return res
}

// A client may ask what is supported, with OPTIONS (tus 1.0.0): without a session, from a page or not, with a version
// or not.
func TestResumableUploadsSayWhatTheySpeak(t *testing.T) {
	s := newScene(t)
	for _, path := range []string{"/api/storage/resumable", s.piece} {
		for _, headers := range [][]string{
			{},
			{"Tus-Resumable", "1.0.0"},
			{"Origin", s.url},
			{"Origin", "https://app.example", "Access-Control-Request-Method", "PATCH", "Access-Control-Request-Headers", "tus-resumable"},
		} {
			visitor := &scene{t: t, real: s.real, victim: s.visitor(t)}
			res := visitor.ask("OPTIONS", path, "", headers...)
			h := res.Header
			if res.StatusCode != 204 || h.Get("Tus-Version") != "1.0.0" || h.Get("Tus-Max-Size") != "104857600" ||
				h.Get("Tus-Extension") != "creation,creation-with-upload,expiration,termination" {
				t.Errorf("%s with %q: %d %v", path, headers, res.StatusCode, h)
			}
			if len(headers) > 2 && (h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "tus-resumable") {
				t.Errorf("a preflight: %v", h)
			}
		}
	}
	if res := s.ask("PATCH", s.piece, "x", "Tus-Resumable", "0.2.2", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"); res.StatusCode != 412 ||
		res.Header.Get("Tus-Version") != "1.0.0" {
		t.Errorf("another version: %d %v", res.StatusCode, res.Header)
	}
}

// A client that can only GET and POST names the method that it means (tus 1.0.0, X-HTTP-Method-Override).
func TestResumableUploadsTakeAPostForAnotherMethod(t *testing.T) {
	s := newScene(t)
	const override = "X-HTTP-Method-Override"
	half := len(large) / 2
	patch := func(offset int, body string) *http.Response {
		return s.ask("POST", s.piece, body, override, "PATCH", "Tus-Resumable", "1.0.0", "Upload-Offset", strconv.Itoa(offset), "Content-Type", "application/offset+octet-stream")
	}
	if res := patch(0, large[:half]); res.StatusCode != 204 || res.Header.Get("Upload-Offset") != strconv.Itoa(half) {
		t.Fatalf("the first half: %d %v", res.StatusCode, res.Header)
	}
	if res := s.ask("POST", s.piece, "", override, "HEAD", "Tus-Resumable", "1.0.0"); res.StatusCode != 200 || res.Header.Get("Upload-Offset") != strconv.Itoa(half) {
		t.Errorf("HEAD: %d %v", res.StatusCode, res.Header)
	}
	if res := patch(half, large[half:]); res.StatusCode != 204 || res.Header.Get("Upload-Offset") != strconv.Itoa(len(large)) {
		t.Errorf("the second half: %d %v", res.StatusCode, res.Header)
	}
	if res := s.ask("POST", s.otherPiece, "", override, "DELETE", "Tus-Resumable", "1.0.0"); res.StatusCode != 204 {
		t.Errorf("DELETE: %d", res.StatusCode)
	}
	if res := s.ask("HEAD", s.otherPiece, "", "Tus-Resumable", "1.0.0"); res.StatusCode != 404 {
		t.Errorf("what was deleted: %d", res.StatusCode)
	}
	res := s.ask("POST", "/api/storage/resumable", "", override, "POST", "Tus-Resumable", "1.0.0", "Upload-Length", strconv.Itoa(len(large)), "Upload-Metadata", s.metadata())
	if res.StatusCode != 201 {
		t.Errorf("POST as POST: %d", res.StatusCode)
	}
}

// Only a POST stands for another method, only for uploads, and only for the methods that they have.
func TestNoOtherRequestStandsForAnotherMethod(t *testing.T) {
	s := newScene(t)
	before := s.state()
	for _, c := range []struct {
		method, path string
		override     []string
		want         int
	}{
		{"HEAD", s.piece, []string{"DELETE"}, 200},
		{"GET", s.piece, []string{"DELETE"}, 404},
		{"GET", s.piece, []string{"PATCH"}, 404},
		{"OPTIONS", s.piece, []string{"DELETE"}, 204},
		{"POST", s.piece, nil, 404},
		{"POST", s.piece, []string{"POST"}, 404},
		{"POST", s.piece, []string{"GET"}, 404},
		{"POST", s.piece, []string{"BREW"}, 404},
		{"POST", s.piece, []string{""}, 404},
		{"POST", s.piece, []string{"HEAD", "DELETE"}, 404},
		{"POST", s.piece, []string{"DELETE", "DELETE"}, 404},
		{"POST", "/api/storage/resumable", []string{"DELETE"}, 404},
		{"POST", "/api/storage/resumable", []string{"PATCH"}, 404},
		{"POST", sharedWorkspace(s), []string{"DELETE"}, 404},
		{"POST", sharedWorkspace(s), []string{"PATCH"}, 404},
		{"GET", "/api/workspaces", []string{"POST"}, 200},
		{"GET", "/api/sync/push", []string{"POST"}, 404},
		{"POST", "/api/storage/fs/upload", []string{"PUT"}, 404},
	} {
		headers := []string{"Tus-Resumable", "1.0.0", "Upload-Offset", "0", "Content-Type", "application/offset+octet-stream"}
		for _, name := range c.override {
			headers = append(headers, "X-HTTP-Method-Override", name, "X-Method-Override", name)
		}
		if res := s.ask(c.method, c.path, "", headers...); res.StatusCode != c.want {
			t.Errorf("%s %s as %q: %d, want %d", c.method, c.path, c.override, res.StatusCode, c.want)
		}
	}
	if after := s.state(); after != before {
		t.Errorf("something has changed: %s", difference(before, after))
	}
	if n := s.uploads(); n != 2 {
		t.Errorf("%d uploads", n)
	}
}
