// Package site renders the documentation as a static site (requirement 7.1): pages that work without a script and on a
// phone, and a search for browsers with scripts. All its links are relative, so that it may stand below any path.
package site

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"

	"or3.chat/cloud/docs"
)

//go:embed page.html search.html
var templates embed.FS

//go:embed site.css search.js
var assets embed.FS

var pages = template.Must(template.ParseFS(templates, "*.html"))

// markdown reads documents as the places do where they are read otherwise: with tables, and with an id for each
// heading.
var markdown = goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithParserOptions(parser.WithAutoHeadingID()))

// document is a page that is being made.
type document struct {
	name   string
	File   string // its page
	Title  string
	source []byte
	root   ast.Node
	// Sections are its headings of the second level, for the menu.
	Sections []section
}

// section is a heading, or a setting in a table of settings, with the text below it.
type section struct {
	ID    string
	Title string
	level int
	text  []byte
}

// entry is what the search finds.
type entry struct {
	Title string `json:"title"`
	Page  string `json:"page"`
	URL   string `json:"url"`
	Text  string `json:"text"`
}

// Files returns the files of the site by their names.
func Files() (map[string][]byte, error) {
	var list []*document
	byName := map[string]*document{}
	for _, p := range book {
		for _, name := range p.documents {
			source, err := fs.ReadFile(docs.Files, name)
			if err != nil {
				return nil, err
			}
			d := &document{name: name, File: fileOf(name), source: source, root: markdown.Parser().Parse(text.NewReader(source))}
			list, byName[name] = append(list, d), d
		}
	}
	files := map[string][]byte{}
	var index []entry
	contract := places{}
	for _, d := range list {
		if err := d.link(byName); err != nil {
			return nil, err
		}
		sections := d.sections()
		d.Title = sections[0].Title
		for i := range sections {
			s := &sections[i]
			if page := d.contractPage(); page != "" {
				contract[page+" "+docs.PlaceOf(s.Title)] = d.File + "#" + s.ID
			}
			if s.level == 2 {
				d.Sections = append(d.Sections, section{ID: s.ID, Title: s.Title})
			}
			url := d.File
			if i > 0 {
				url += "#" + s.ID
			}
			index = append(index, entry{s.Title, d.Title, url, strings.Join(strings.Fields(string(s.text)), " ")})
		}
	}
	for i, d := range list {
		d.refer(contract)
		var body bytes.Buffer
		if err := markdown.Renderer().Render(&body, d.source, d.root); err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		p := page{Menu: menu(byName), Current: d, Title: d.Title, Body: template.HTML(wide(body.String()))}
		if i > 0 {
			p.Before = list[i-1]
		}
		if i+1 < len(list) {
			p.After = list[i+1]
		}
		if err := p.write(files, d.File, "page.html"); err != nil {
			return nil, err
		}
	}
	search := page{Menu: menu(byName), Title: "Search", Index: index}
	if err := search.write(files, "search.html", "search.html"); err != nil {
		return nil, err
	}
	var err error
	if files["search.json"], err = json.Marshal(index); err != nil {
		return nil, err
	}
	for _, name := range []string{"site.css", "search.js"} {
		if files[name], err = assets.ReadFile(name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// page is what the templates get.
type page struct {
	Menu          []menuPart
	Current       *document // nil on the page of the search
	Before, After *document
	Title         string
	Body          template.HTML
	Index         []entry
}

type menuPart struct {
	Title     string
	Documents []*document
}

func menu(byName map[string]*document) []menuPart {
	var out []menuPart
	for _, p := range book {
		m := menuPart{Title: p.Title}
		for _, name := range p.documents {
			m.Documents = append(m.Documents, byName[name])
		}
		out = append(out, m)
	}
	return out
}

func (p page) write(files map[string][]byte, name, by string) error {
	var out bytes.Buffer
	if err := pages.ExecuteTemplate(&out, by, p); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	files[name] = out.Bytes()
	return nil
}

// link makes links between documents links between pages. What a link to another file of the repository says stays as
// text: people who have only the program do not have that file.
func (d *document) link(byName map[string]*document) error {
	var unlinked []*ast.Link
	err := ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		l, ok := n.(*ast.Link)
		if !ok || !entering {
			return ast.WalkContinue, nil
		}
		to := string(l.Destination)
		file, fragment, _ := strings.Cut(to, "#")
		if file == "" || strings.Contains(file, ":") {
			return ast.WalkContinue, nil
		}
		file = path.Join(path.Dir(d.name), file)
		switch {
		case byName[file] != nil:
			l.Destination = []byte(byName[file].File)
			if fragment != "" {
				l.Destination = append(append(l.Destination, '#'), fragment...)
			}
		default:
			unlinked = append(unlinked, l)
		}
		return ast.WalkContinue, nil
	})
	for _, l := range unlinked {
		parent := l.Parent()
		for c := l.FirstChild(); c != nil; c = l.FirstChild() {
			parent.InsertBefore(parent, l, c)
		}
		parent.RemoveChild(parent, l)
	}
	return err
}

// settings is the document whose tables have a setting in each row.
const settings = "configuration.md"

// isSetting is how settings are named.
var isSetting = regexp.MustCompile(`^[A-Z][A-Z0-9_]+$`)

// sections takes a document apart for the search: at its headings, and in tables of settings at each of these, which
// get an id for it.
func (d *document) sections() []section {
	var out []section
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			id, _ := n.AttributeString("id")
			out = append(out, section{ID: string(id.([]byte)), Title: plain(n, d.source), level: n.Level})
			return ast.WalkSkipChildren, nil
		case *east.TableRow:
			code, ok := n.FirstChild().FirstChild().(*ast.CodeSpan)
			if !ok || d.name != settings {
				break
			}
			if name := plain(code, d.source); isSetting.MatchString(name) {
				n.SetAttributeString("id", []byte(name))
				out = append(out, section{ID: name, Title: name, level: 7, text: []byte(plain(n, d.source))})
				return ast.WalkSkipChildren, nil
			}
		}
		if len(out) == 0 || n.Type() == ast.TypeDocument {
			return ast.WalkContinue, nil
		}
		// What stands behind a table of settings belongs to the heading above it.
		last := len(out) - 1
		for out[last].level == 7 {
			last--
		}
		switch n := n.(type) {
		case *ast.Text, *ast.String, *ast.CodeSpan:
			out[last].text = append(out[last].text, plain(n, d.source)+" "...)
			return ast.WalkSkipChildren, nil
		case *ast.FencedCodeBlock, *ast.CodeBlock:
			out[last].text = append(out[last].text, lines(n, d.source)+" "...)
		}
		return ast.WalkContinue, nil
	})
	return out
}

// plain returns the text of a node.
func plain(n ast.Node, source []byte) string {
	var out strings.Builder
	_ = ast.Walk(n, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Text:
			if entering {
				out.Write(n.Segment.Value(source))
				if n.SoftLineBreak() || n.HardLineBreak() {
					out.WriteByte(' ')
				}
			}
		case *ast.String:
			if entering {
				out.Write(n.Value)
			}
		case *east.TableCell:
			if !entering {
				out.WriteByte(' ')
			}
		}
		return ast.WalkContinue, nil
	})
	return strings.TrimSpace(out.String())
}

// lines returns the text of a block of code.
func lines(n ast.Node, source []byte) string {
	var out strings.Builder
	for i := range n.Lines().Len() {
		line := n.Lines().At(i)
		out.Write(line.Value(source))
	}
	return out.String()
}

// wide lets tables that are wider than a phone be moved sideways, by the keyboard as well.
func wide(body string) string {
	return strings.NewReplacer("<table>", `<div class="wide" tabindex="0"><table>`, "</table>", "</table></div>",
		"<pre>", `<pre tabindex="0">`).Replace(body)
}
