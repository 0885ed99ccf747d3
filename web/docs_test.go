//go:build !noweb

package web

import (
	"net/http"
	"strings"
	"testing"
)

// TestDocumentation reads the documentation beside the built-in page, beside a client that has pages at /docs, and
// beside one that is served without a cloud.
func TestDocumentation(t *testing.T) {
	own, beside := handler(t, ""), handler(t, client(t, map[string]string{"index.html": "<html><head></head><body>shell</body></html>"}))
	for _, c := range []struct {
		handler http.Handler
		path    string
		status  int
		has     string
	}{
		{own, "/docs", http.StatusMovedPermanently, "/docs/"},
		{own, "/docs/", http.StatusOK, "<h1"},
		{own, "/docs/configuration.html", http.StatusOK, `<tr id="OR3_DATA_DIR">`},
		{own, "/docs/search.json", http.StatusOK, `"OR3_DATA_DIR"`},
		{own, "/docs/nothing.html", http.StatusNotFound, ""},
		{own, "/docs/site.css", http.StatusOK, ":root"},
		{own, "/or3/docs/operations", http.StatusOK, "<h1"},
		{own, "/documents", http.StatusOK, `<div id="app">`},
		{beside, "/docs/", http.StatusOK, "shell"},
		{beside, "/docs/configuration.html", http.StatusOK, "shell"},
		{beside, "/or3/docs", http.StatusMovedPermanently, "/or3/docs/"},
		{beside, "/or3/docs/", http.StatusOK, "<h1"},
	} {
		res := get(c.handler, c.path, true)
		text := body(t, res)
		if res.StatusCode != c.status || !strings.Contains(text, c.has) {
			t.Errorf("%s: %d, want %d with %q:\n%.200s", c.path, res.StatusCode, c.status, c.has, text)
		}
		if policy := res.Header.Get("Content-Security-Policy"); strings.Contains(text, "search.js") && policy != documentsPolicy {
			t.Errorf("%s: policy %q", c.path, policy)
		}
	}
}

// TestDocumentationBelowAPath looks where the shorter address leads to.
func TestDocumentationBelowAPath(t *testing.T) {
	res := get(withDocuments(nil, "/chat", DocumentsPath), DocumentsPath, true)
	if to := res.Header.Get("Location"); to != "/chat/or3/docs/" {
		t.Errorf("leads to %q", to)
	}
}
