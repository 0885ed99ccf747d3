package or3cloud_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// proseColumns is how wide comments and Markdown may be. Code is as wide as gofmt leaves it.
const proseColumns = 120

// wordings are words that read like a translation or like a riddle, with what to write instead. They are looked for in
// comments, in Go and TypeScript strings that have a space, in the text of Vue templates, and in Markdown.
var wordings = []struct {
	old    *regexp.Regexp
	better string
}{
	{regexp.MustCompile(`(?i)\bnobody\b`), "no one"},
	{regexp.MustCompile(`(?i)\bsomebody\b`), "someone"},
	{regexp.MustCompile(`(?i)\banybody\b`), "anyone"},
	{regexp.MustCompile(`(?i)\beverybody\b`), "everyone"},
	{regexp.MustCompile(`(?i)\banew\b`), "again"},
	{regexp.MustCompile(`(?i)\bfor ever\b`), "forever"},
	{regexp.MustCompile(`(?i)\bwhoever\b`), "anyone who, or name the person or the program"},
	{regexp.MustCompile(`(?i)\bof whom\b`), "a sentence of its own, or whose"},
	{regexp.MustCompile(`(?i)\b(?:is|are|was|were) no [a-z]+`), "is not a, or does not"},
	{regexp.MustCompile(`(?i)\b(?:is|are|was|were) to be\b`), "must be, should be or will be"},
	{regexp.MustCompile(`(?i)\blos[et]s? (?:its|his|her|their) minds?\b`), "what fails, and how"},
	{regexp.MustCompile(`(?i)\bpardon`), "excuse, or allow"},
	{regexp.MustCompile(`(?i)\bcrowds?\b`), "many users, devices or requests"},
	{regexp.MustCompile(`(?i)\bback-?ups? back\b`), "restore a backup"},
	{regexp.MustCompile(`(?i)\bodd signs?\b`), "special characters"},
	{regexp.MustCompile(`(?i)\blooking what\b`), "checking what"},
}

// anyWording matches texts that have any of the wordings.
var anyWording = sync.OnceValue(func() *regexp.Regexp {
	var all []string
	for _, w := range wordings {
		all = append(all, w.old.String())
	}
	return regexp.MustCompile(strings.Join(all, "|"))
})

// isNo are the words after "is no" that make good English. "There is no" does with every word.
var isNo = []string{
	"longer", "more", "less", "fewer", "later", "earlier", "sooner", "better", "worse", "different", "one", "such",
	"larger", "smaller", "older", "newer", "wider", "higher", "lower", "greater", "faster", "slower", "shorter",
}

// proseExempt are files and directories that are not checked, with the reason.
var proseExempt = map[string]string{
	"prose_test.go":    "lists the words",
	"bench/RESULTS.md": "generated",
	"web/page":         "generated",
}

// proseWide are files whose lines are not wrapped, with the reason. Their words are checked.
var proseWide = map[string]string{
	"docs/configuration.md": "generated",
}

// TestProse checks that comments and Markdown are wrapped, and that what people read is plain English: see wordings.
// Tables, code blocks and lines with links may be wide; generated code and recordings are not checked.
func TestProse(t *testing.T) {
	var found []string
	err := filepath.WalkDir(".", func(file string, e fs.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir() && file != "." && (skipProse(name) || proseExempt[filepath.ToSlash(file)] != ""):
			return fs.SkipDir
		case !e.Type().IsRegular() || proseExempt[filepath.ToSlash(file)] != "":
			return nil
		}
		var check func(p *prose, src string)
		switch path.Ext(name) {
		case ".go":
			check = (*prose).golang
		case ".md":
			check = (*prose).markdown
		case ".ts", ".mjs", ".js", ".vue", ".html":
			check = (*prose).script
		case ".sh", "":
			check = (*prose).shell
		case ".yaml", ".yml":
			check = (*prose).yaml
		case ".sql", ".css":
			check = (*prose).sheet
		default:
			return nil
		}
		src, err := os.ReadFile(file)
		if err != nil || path.Ext(name) == "" && !bytes.HasPrefix(src, []byte("#!")) {
			return err
		}
		p := &prose{file: filepath.ToSlash(file)}
		check(p, string(src))
		found = append(found, p.found...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

// skipProse reports whether a directory holds recordings, other people's files, or what a build has made.
func skipProse(name string) bool {
	return strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "testdata", "dist", "coverage"}, name)
}

// TestProseFinds checks the check.
func TestProseFinds(t *testing.T) {
	long := strings.Repeat("word ", 25)
	for _, c := range []struct {
		check  func(*prose, string)
		src    string
		found  bool
		reason string
	}{
		{(*prose).golang, "package p\n\n// Nobody knows.\n", true, "a comment"},
		{(*prose).golang, "package p\n\n// " + long + "\n", true, "a wide comment"},
		{(*prose).golang, "package p\n\n//walk:follows " + long + "\n", false, "a directive"},
		{(*prose).golang, "package p\n\nconst s = \"" + long + "\"\n", false, "wide code"},
		{(*prose).golang, "package p\n\nconst s = \"it is no file\"\n", true, "a text"},
		{(*prose).golang, "package p\n\nconst s = \"there is no file\"\n", false, "there is no"},
		{(*prose).golang, "package p\n\nconst s = \"it is no longer there\"\n", false, "is no longer"},
		{(*prose).golang, "package p\n\nconst nobody = \"nobody\"\n", false, "names"},
		{(*prose).golang, "// Code generated by x. DO NOT EDIT.\npackage p\n\n// Nobody knows.\n", false, "generated code"},
		{(*prose).markdown, long + "\n", true, "a wide paragraph"},
		{(*prose).markdown, "| " + long + "|\n", false, "a table"},
		{(*prose).markdown, "```\n" + long + "\n```\n", false, "a code block"},
		{(*prose).markdown, "Put a backup back.\n", true, "Markdown"},
		{(*prose).script, "// Whoever reads this.\n", true, "a comment"},
		{(*prose).script, "const a = 'This is no address.'\n", true, "a text"},
		{(*prose).script, "const nobody = a.whoever('nobody')\n", false, "names"},
		{(*prose).script, "  <p>Nobody is here</p>\n", true, "a template"},
		{(*prose).shell, "# begin anew\n", true, "a comment"},
		{(*prose).yaml, "description: Nobody knows.\n", true, "a value"},
		{(*prose).sheet, "SELECT 1; -- Nobody knows.\n", true, "a comment beside code"},
		{(*prose).sheet, "-- " + long + "\n", true, "a wide comment"},
		{(*prose).sheet, "SELECT nobody FROM anew;\n", false, "names"},
		{(*prose).shell, "nobody=1\n", false, "names"},
	} {
		p := &prose{file: "file"}
		if c.check(p, c.src); (len(p.found) > 0) != c.found {
			t.Errorf("%s: %q: %q", c.reason, c.src, p.found)
		}
	}
}

// prose is the check of one file.
type prose struct {
	file  string
	found []string
}

func (p *prose) report(line int, format string, args ...any) {
	p.found = append(p.found, fmt.Sprintf("%s:%d: %s", p.file, line, fmt.Sprintf(format, args...)))
}

// words checks a text that starts in a line.
func (p *prose) words(line int, text string) {
	if !anyWording().MatchString(text) { // which is much faster than to look for one after the other
		return
	}
	for _, w := range wordings {
		for _, at := range w.old.FindAllStringIndex(text, -1) {
			hit := text[at[0]:at[1]]
			if _, after, ok := strings.Cut(hit, " no "); ok && (slices.Contains(isNo, after) || afterThere(text[:at[0]])) {
				continue
			}
			p.report(line+strings.Count(text[:at[0]], "\n"), "%q: write %s", hit, w.better)
		}
	}
}

// afterThere reports whether "there" stands before the verb.
func afterThere(before string) bool {
	words := strings.Fields(before)
	return len(words) > 0 && strings.EqualFold(strings.Trim(words[len(words)-1], "\"'(*`"), "there")
}

// width checks one line. A line with a single word after its mark, such as an address, cannot be wrapped.
func (p *prose) width(line int, text string) {
	wide := utf8.RuneCountInString(strings.ReplaceAll(text, "\t", "    "))
	if wide > proseColumns && len(strings.Fields(text)) > 2 && proseWide[p.file] == "" {
		p.report(line, "%d columns: wrap it at %d", wide, proseColumns)
	}
}

// directive matches comments for programs.
var directive = regexp.MustCompile(`^//[a-z0-9]+:\S`)

func (p *prose) golang(src string) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, p.file, src, parser.ParseComments)
	if err != nil {
		p.report(1, "%v", err)
		return
	}
	if ast.IsGenerated(f) {
		return
	}
	lines := strings.Split(src, "\n")
	for _, group := range f.Comments {
		for _, c := range group.List {
			if directive.MatchString(c.Text) {
				continue
			}
			first, column := fset.Position(c.Pos()).Line, fset.Position(c.Pos()).Column
			p.words(first, c.Text)
			for i, text := range strings.Split(c.Text, "\n") {
				beside := i == 0 && strings.TrimSpace(lines[first-1][:column-1]) != ""
				if !beside && !strings.HasPrefix(text, "//\t") { // neither beside code nor a block of code or columns
					p.width(first+i, lines[first+i-1])
				}
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if text, err := strconv.Unquote(l.Value); err == nil && strings.Contains(text, " ") {
				p.words(fset.Position(l.Pos()).Line, text)
			}
		}
		return true
	})
}

func (p *prose) markdown(src string) {
	fenced := false
	for i, line := range strings.Split(src, "\n") {
		trimmed := strings.TrimSpace(line)
		fence := strings.HasPrefix(trimmed, "```")
		fenced = fenced != fence
		p.words(i+1, line)
		code := fenced || fence || strings.HasPrefix(line, "    ")
		if !code && !strings.HasPrefix(trimmed, "|") && !strings.Contains(line, "](") && !strings.Contains(line, "://") {
			p.width(i+1, line)
		}
	}
}

var (
	// scriptText matches comments, strings and text between tags in a line of TypeScript, Vue or HTML.
	scriptText = regexp.MustCompile(`(?:^|\s)//.*|^\s*(?:/?\*|<!--).*|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|` + "`[^`]*`|" + `>[^<>{}=;]+<`)
	// scriptComment matches lines that are nothing but a comment.
	scriptComment = regexp.MustCompile(`^\s*(?://|/?\*\s|/\*|<!--)`)
)

// script checks TypeScript, JavaScript, Vue and HTML. The lines of files that "make generate" makes are not wrapped.
func (p *prose) script(src string) {
	generated := strings.HasPrefix(src, "// Made from ")
	for i, line := range strings.Split(src, "\n") {
		for _, text := range scriptText.FindAllString(line, -1) {
			if strings.Contains(text, " ") {
				p.words(i+1, text)
			}
		}
		if !generated && scriptComment.MatchString(line) {
			p.width(i+1, line)
		}
	}
}

var (
	// wholeLine matches any line.
	wholeLine = regexp.MustCompile(`^.*$`)
	// hashComment matches lines that are nothing but a comment of a script or of YAML.
	hashComment = regexp.MustCompile(`^\s*#.*`)
	// sheetText matches comments in a line of SQL or CSS, sheetComment lines that are nothing but one.
	sheetText    = regexp.MustCompile(`--\s.*|/\*.*|^\s*\*\s.*`)
	sheetComment = regexp.MustCompile(`^\s*(?:--|/?\*)\s`)
)

// lines checks the words of what text matches, and the width of what comment matches.
func (p *prose) lines(src string, text, comment *regexp.Regexp) {
	for i, line := range strings.Split(src, "\n") {
		p.words(i+1, text.FindString(line))
		if comment.MatchString(line) {
			p.width(i+1, line)
		}
	}
}

func (p *prose) shell(src string) { p.lines(src, hashComment, hashComment) }

// yaml checks values, too: descriptions are texts.
func (p *prose) yaml(src string) { p.lines(src, wholeLine, hashComment) }

// sheet checks SQL and CSS.
func (p *prose) sheet(src string) { p.lines(src, sheetText, sheetComment) }
