package nuxt

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// Page is an HTML file of a build.
type Page struct {
	src     []byte
	scripts []inline
	// refresh is where the page sends browsers without anyone's doing, "" if nowhere.
	refresh string
	entries bool // there are scripts of files
}

// inline is a script that stands in the page.
type inline struct {
	start, end int
	kind       string // the type attribute, in lower case
}

// ReadPage finds the scripts of an HTML file. Anything is a page.
func ReadPage(src []byte) *Page {
	p := &Page{src: src}
	z := html.NewTokenizer(bytes.NewReader(src))
	pos := 0
	var open *inline // the script whose text comes next
	for {
		kind := z.Next()
		start := pos
		pos += len(z.Raw())
		switch kind {
		case html.ErrorToken:
			return p
		case html.TextToken:
			if open != nil {
				open.start, open.end = start, pos
				p.scripts = append(p.scripts, *open)
			}
			open = nil
		case html.StartTagToken, html.SelfClosingTagToken:
			open = nil
			token := z.Token()
			switch token.Data {
			case "script":
				if hasAttribute(token, "src") {
					p.entries = true
				} else { // a slash at the end means nothing in HTML
					open = &inline{kind: strings.ToLower(strings.TrimSpace(attribute(token, "type")))}
				}
			case "meta":
				if strings.EqualFold(attribute(token, "http-equiv"), "refresh") {
					p.refresh = refreshTarget(attribute(token, "content"))
				}
			}
		default:
			open = nil
		}
	}
}

func hasAttribute(t html.Token, key string) bool {
	return slices.ContainsFunc(t.Attr, func(a html.Attribute) bool { return a.Key == key })
}

// attribute returns the value of an attribute, the first of its name, as browsers do.
func attribute(t html.Token, key string) string {
	for _, a := range t.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// refreshTarget returns the address in the content of <meta http-equiv="refresh">.
func refreshTarget(content string) string {
	_, target, _ := strings.Cut(content, ";")
	target = strings.TrimSpace(target)
	if len(target) > 3 && strings.EqualFold(target[:3], "url") {
		target = strings.TrimSpace(target[3:])
		target = strings.TrimPrefix(target, "=")
	}
	return strings.Trim(strings.TrimSpace(target), `"'`)
}

// Redirect returns where a page that does nothing else sends browsers, "" for other pages. So look the pages of a
// client that was generated with its HTTPS switch on.
func (p *Page) Redirect() string {
	if p.entries || len(p.scripts) > 0 {
		return ""
	}
	return p.refresh
}

// IsClient reports whether the page begins the client, and is not another document beside it.
func (p *Page) IsClient() bool {
	return slices.ContainsFunc(p.scripts, func(s inline) bool { return s.runs() && bytes.Contains(p.src[s.start:s.end], []byte(global)) })
}

// runs reports whether browsers run a script, and do not take it for data.
func (s inline) runs() bool {
	kind, _, _ := strings.Cut(s.kind, ";")
	switch strings.TrimSpace(kind) {
	case "", "module", "text/javascript", "application/javascript", "text/ecmascript", "application/ecmascript", "application/x-javascript",
		"text/jscript", "text/livescript", "text/x-javascript", "text/x-ecmascript", "application/x-ecmascript":
		return true
	}
	return false
}

// Hashes returns the sources by which a Content-Security-Policy allows the page's inline scripts, import maps included,
// and nothing else: each once.
func (p *Page) Hashes() []string {
	var out []string
	for _, s := range p.scripts {
		if !s.runs() && s.kind != "importmap" && s.kind != "speculationrules" {
			continue
		}
		// Browsers see line ends as the HTML standard normalises them.
		text := bytes.ReplaceAll(p.src[s.start:s.end], []byte("\r\n"), []byte("\n"))
		text = bytes.ReplaceAll(text, []byte("\r"), []byte("\n"))
		out = append(out, hash(bytes.ReplaceAll(text, []byte{0}, []byte("\ufffd"))))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// hash is a script as a source of a policy.
func hash(script []byte) string {
	sum := sha256.Sum256(script)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// headScript finds where a client puts a script of its own into the head of the page.
var headScript = regexp.MustCompile(`\bscript\s*[:=]\s*\[\s*\{\s*innerHTML\s*:\s*["'\x60]`)

// headScriptKey stands in what is found, with at most headScriptSpan bytes in front and behind: a search for the word
// alone is a hundred times as fast.
const (
	headScriptKey  = "innerHTML"
	headScriptSpan = 64
)

// HeadScripts returns the sources of the inline scripts that a file of the client puts into the page while it runs, as
// Nuxt UI does for its colours. They are as good as the file.
func HeadScripts(src []byte) []string {
	var out []string
	for at := 0; ; at += len(headScriptKey) {
		next := bytes.Index(src[at:], []byte(headScriptKey))
		if next < 0 {
			break
		}
		start := max(at, at+next-headScriptSpan)
		at += next
		found := headScript.FindIndex(src[start:min(len(src), at+headScriptSpan)])
		if found == nil {
			continue
		}
		text := start + found[1] - 1
		var err error
		p := &parser{src: string(src[text:min(len(src), text+largestHeadScript)])}
		func() {
			defer p.recoverTo(&err)
			out = append(out, hash([]byte(p.text())))
		}()
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// largestHeadScript is the size of the largest script of that kind, in bytes.
const largestHeadScript = 16 << 10

// Settings are what a page says of how its client was built.
type Settings struct {
	// BaseURL is the path below which the client was built to live, Assets that of its hashed files below it. They are
	// empty where the page does not say.
	BaseURL, Assets string
	// OpenRouterURL is where the client sends chats.
	OpenRouterURL string
}

// Configure returns the page with values merged into the public part of its configuration, and what it says of its
// build. With nil it changes nothing. The error says why the page is not understood; a page that is not changes in no
// byte.
func (p *Page) Configure(values map[string]any) (*Page, Settings, error) {
	var reasons []string
	for i, at := range slices.Backward(p.scripts) { // the last one counts
		text := string(p.src[at.start:at.end])
		if !at.runs() || !strings.Contains(text, global) {
			continue
		}
		s, err := readScript(text)
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("script %d: %v", i+1, err))
			continue
		}
		found := func(s script) Settings {
			return Settings{
				BaseURL: s.text("app", "baseURL"), Assets: s.text("app", "buildAssetsDir"), OpenRouterURL: s.text("public", "openRouter", "baseUrl"),
			}
		}
		if values == nil {
			return p, found(s), nil
		}
		changed, err := s.merge(values)
		if err != nil {
			return p, found(s), err
		}
		if s, err = readScript(changed); err != nil {
			return p, Settings{}, fmt.Errorf("the changed script: %w", err)
		}
		src := slices.Concat(p.src[:at.start], []byte(changed), p.src[at.end:])
		next := ReadPage(src)
		if len(next.scripts) != len(p.scripts) {
			return p, found(s), fmt.Errorf("the configuration cannot stand in the page")
		}
		return next, found(s), nil
	}
	if len(reasons) > 0 {
		return p, Settings{}, fmt.Errorf("its configuration is not understood: %s", strings.Join(reasons, "; "))
	}
	return p, Settings{}, fmt.Errorf("it has no script with a configuration (window.%s)", global)
}

// Bytes returns the page. They must not be changed.
func (p *Page) Bytes() []byte { return p.src }
