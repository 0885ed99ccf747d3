package site

import (
	"path"
	"strings"

	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"

	"or3.chat/cloud/docs"
)

// places are the addresses of the places of the contract, by page and place.
type places map[string]string

// contractPage returns which page of the contract a document is; "" if it is none.
func (d *document) contractPage() string {
	if folder, name := path.Split(d.name); folder == "contract/" {
		return strings.TrimSuffix(name, ".md")
	}
	return ""
}

// refer makes links of what a document says of the contract, such as "sync §10.3".
func (d *document) refer(to places) {
	_ = ast.Walk(d.root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if n.Kind() == ast.KindHeading {
			return ast.WalkSkipChildren, nil
		}
		if n.Type() != ast.TypeBlock || !entering || n.Lines().Len() == 0 {
			return ast.WalkContinue, nil
		}
		d.join(n)
		// A reference may be broken over two lines, so all of the block is read.
		start, end := n.Lines().At(0).Start, n.Lines().At(n.Lines().Len()-1).Stop
		for _, r := range docs.References(string(d.source[start:end]), d.contractPage()) {
			if len(r.Places) == 0 {
				continue
			}
			address := to[r.Page+" "+r.Places[len(r.Places)-1]]
			if address != "" {
				linkText(n, text.NewSegment(start+r.From, start+r.To), address)
			}
		}
		return ast.WalkContinue, nil
	})
}

// join makes one of the texts in a block that follow each other: the parser leaves some in pieces.
func (d *document) join(block ast.Node) {
	for n := block.FirstChild(); n != nil; n = n.NextSibling() {
		if t, ok := n.(*ast.Text); ok {
			for next := t.NextSibling(); next != nil && t.Merge(next, d.source); next = t.NextSibling() {
				block.RemoveChild(block, next)
			}
		}
	}
}

// linkText makes a link of a part of a block's text: of what is in its last line, if it has two. What is code or a link
// already stays.
func linkText(block ast.Node, part text.Segment, address string) {
	_ = ast.Walk(block, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n := n.(type) {
		case *ast.Link, *ast.CodeSpan:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			s := n.Segment
			if !entering || s.Start >= part.Stop || part.Stop > s.Stop {
				return ast.WalkContinue, nil
			}
			from := max(s.Start, part.Start)
			link := ast.NewLink()
			link.Destination = []byte(address)
			link.AppendChild(link, ast.NewTextSegment(text.NewSegment(from, part.Stop)))
			parent := n.Parent()
			parent.InsertBefore(parent, n, ast.NewTextSegment(text.NewSegment(s.Start, from)))
			parent.InsertBefore(parent, n, link)
			n.Segment = s.WithStart(part.Stop)
			return ast.WalkStop, nil
		}
		return ast.WalkContinue, nil
	})
}
