package site

import (
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark/text"

	"or3.chat/cloud/docs"
)

var (
	ids   = regexp.MustCompile(`\sid="([^"]+)"`)
	hrefs = regexp.MustCompile(`\s(?:href|src|action)="([^"]+)"`)
)

func files(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNoLinkIsDead looks whether each link of a page leads to a page, and to a place that is in it. What leads to other
// servers is not followed.
func TestNoLinkIsDead(t *testing.T) {
	files := files(t)
	places := map[string]bool{}
	for name, content := range files {
		places[name] = true
		for _, id := range ids.FindAllSubmatch(content, -1) {
			places[name+"#"+string(id[1])] = true
		}
	}
	checked := 0
	for name, content := range files {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		for _, href := range hrefs.FindAllSubmatch(content, -1) {
			to, err := url.Parse(strings.ReplaceAll(string(href[1]), "&amp;", "&"))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			place := to.Path
			if place == "" {
				place = name
			}
			if to.Fragment != "" {
				place += "#" + to.Fragment
			}
			if checked++; !places[place] {
				t.Errorf("%s: the link to %s is dead", name, href[1])
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d links were looked at", checked)
	}
}

// TestEveryDocumentHasAPage keeps the menu complete.
func TestEveryDocumentHasAPage(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.md", "contract/*.md", "internals/*.md"} {
		found, err := fs.Glob(docs.Files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	var listed []string
	for _, p := range book {
		listed = append(listed, p.documents...)
	}
	if slices.Sort(listed); !slices.Equal(listed, names) {
		t.Errorf("the menu has %v, the folder %v", listed, names)
	}
}

// TestPagesWorkWithoutAScript looks whether pages bring no script but the search, and no style of their own, which the
// policy would refuse.
func TestPagesWorkWithoutAScript(t *testing.T) {
	for name, content := range files(t) {
		if !strings.HasSuffix(name, ".html") {
			continue
		}
		text := string(content)
		if n := strings.Count(text, "<script"); n != 1 || strings.Contains(text, " style=") || strings.Contains(text, "<style") {
			t.Errorf("%s has %d scripts, or styles of its own", name, n)
		}
		if !strings.Contains(text, "<h1") || !strings.Contains(text, `<html lang="en">`) {
			t.Errorf("%s has no title, or no language", name)
		}
	}
}

// TestReferencesToTheContractAreLinks looks at references on a page about sync.
func TestReferencesToTheContractAreLinks(t *testing.T) {
	to := places{"sync 2": "sync.html#2", "sync 3": "sync.html#3", "auth Pitfall 4": "auth.html#4"}
	for source, want := range map[string]string{
		"See auth Pitfall 4.": `See <a href="auth.html#4">auth Pitfall 4</a>.`,
		"A line that ends with auth\nPitfall 4, and goes on.": "A line that ends with auth\n" +
			`<a href="auth.html#4">Pitfall 4</a>, and goes on.`,
		"This page's (§2, §3).":    `This page's (<a href="sync.html#2">§2</a>, <a href="sync.html#3">§3</a>).`,
		"**Both** §2 to §3 of it":  `<strong>Both</strong> <a href="sync.html#2">§2</a> to <a href="sync.html#3">§3</a> of it`,
		"`§2` and [§3](#here)":     `<code>§2</code> and <a href="#here">§3</a>`,
		"RFC 9110 §2, and auth §5": "RFC 9110 §2, and auth §5",
	} {
		written := []byte(source)
		d := document{name: "contract/sync.md", source: written, root: markdown.Parser().Parse(text.NewReader(written))}
		d.refer(to)
		var got strings.Builder
		if err := markdown.Renderer().Render(&got, written, d.root); err != nil {
			t.Fatal(err)
		}
		if want = "<p>" + want + "</p>\n"; got.String() != want {
			t.Errorf("%q is %q, want %q", source, got.String(), want)
		}
	}
}
