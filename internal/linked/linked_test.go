package linked

import (
	"bytes"
	"go/format"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

func TestSource(t *testing.T) {
	for _, c := range []struct {
		name string
		Program
		want []string
	}{
		{"none", Program{}, []string{"var providers []func(*or3cloud.Registry) error\n"}},
		{"one", Program{Packages: []string{"or3.chat/cloud/providers/fs"}}, []string{"\t\"or3.chat/cloud/providers/fs\"\n", "\tfs.Register,\n"}},
		{"tag", Program{Tag: "!noproviders", Packages: []string{"or3.chat/cloud/providers/fs"}}, []string{"\n//go:build !noproviders\n\npackage main\n"}},
		{
			"others", Program{Packages: []string{
				"or3.chat/cloud/providers/sqlite", "example.org/or3-postgres/v2", "example.org/a/fs", "or3.chat/cloud/providers/fs", "example.org/b/fs", "example.org/a/fs",
			}},
			[]string{
				"\tor3postgres \"example.org/or3-postgres/v2\"\n", "\tfs \"example.org/a/fs\"\n", "\tfs2 \"example.org/b/fs\"\n",
				"\tfs3 \"or3.chat/cloud/providers/fs\"\n", "\t\"or3.chat/cloud/providers/sqlite\"\n", "\tfs3.Register,\n",
			},
		},
		{"reserved", Program{Packages: []string{"example.org/func", "example.org/9", "example.org/main"}}, []string{"providerfunc ", "provider9 ", "main2 "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.Source()
			if err != nil {
				t.Fatal(err)
			}
			formatted, err := format.Source(got)
			if err != nil || !bytes.Equal(formatted, got) {
				t.Errorf("not as gofmt writes it: %v\n%s", err, got)
			}
			if _, err := parser.ParseFile(token.NewFileSet(), "providers.go", got, parser.AllErrors); err != nil {
				t.Error(err)
			}
			for _, part := range c.want {
				if !strings.Contains(string(got), part) {
					t.Errorf("%q is not in\n%s", part, got)
				}
			}
			if !Generated(got) {
				t.Error("it does not know its own file")
			}
		})
	}
	for _, path := range []string{"", "a b", `a"b`, "/a", "a/", "a//b", "a\nb", "ä"} {
		if _, err := (Program{Packages: []string{path}}).Source(); err == nil {
			t.Errorf("%q is taken for an import path", path)
		}
	}
}
