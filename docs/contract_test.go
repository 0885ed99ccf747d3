package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// contractPages are the pages of the wire contract by the names that comments use.
var contractPages = []string{
	"auth", "client-behaviour", "env", "host-integration", "security-middleware", "storage", "sync", "workspaces-and-admin",
}

// others are folders of what people have not written here, written the kinds of files that they have.
var others = []string{"node_modules", "testdata", "dist"}

var written = []string{".go", ".ts", ".mts", ".vue", ".mjs", ".js", ".py", ".sql", ".md"}

// The grammar of a reference, such as "sync §10.1, §10.3 and Pitfalls 2 to 4". Other standards have sections as well.
const (
	section  = `§\d+(?:\.\d+)*`
	sections = section + `(?:(?:–|\s+to\s+)` + section + `)?`
	pitfalls = `Pitfalls?\s+\d+(?:(?:,\s+(?:and\s+)?|\s+(?:and|or|to)\s+|–)\d+)*`
	either   = `(?:` + sections + `|` + pitfalls + `)`
	places   = either + `(?:(?:[,;]\s+(?:and\s+)?|\s+(?:and|or)\s+)` + either + `)*`
	standard = `RFC\s+\w+|WebAuthn|HTML(?:\s+Standard)?`
)

var (
	pageNames = `(?i:` + strings.Join(contractPages, `|`) + `)`
	placed    = regexp.MustCompile(`(?:\b(` + pageNames + `|` + standard + `),?\s+)?(` + places + `)`)
	whole     = regexp.MustCompile(`[(;]\s*contract,\s+([\w-]+)`)
	place     = regexp.MustCompile(`(–|\bto\s+)?(§?)(\d+(?:\.\d+)*)`)
	heading   = regexp.MustCompile(`(?m)^#+ (?:(\d+(?:\.\d+)*)\.? |Pitfall (\d+)\. )`)
	// margin is what stands before the text of a comment. A reference may be broken over two lines.
	margin = regexp.MustCompile(`(?m)^[ \t]*(?://+|/?\*+/?|#+|--)[ \t]?`)
)

// reference is one place that a text refers to: a section, a pitfall, or a whole page.
type reference struct {
	page  string // "" if the text does not say which
	place string // as headings have it: "10.8", "Pitfall 12"; "" for the whole page
	at    int    // where in the text
}

// references returns what a text refers to. here is the page that it belongs to, if any: there a section without a page is
// its own.
func references(text, here string) []reference {
	var out []reference
	for _, m := range whole.FindAllStringSubmatchIndex(text, -1) {
		out = append(out, reference{strings.ToLower(text[m[2]:m[3]]), "", m[0]})
	}
	for _, m := range placed.FindAllStringSubmatchIndex(text, -1) {
		page := here
		if m[2] >= 0 {
			if page = strings.ToLower(text[m[2]:m[3]]); !slices.Contains(contractPages, page) {
				continue
			}
		}
		for _, p := range listed(text[m[4]:m[5]]) {
			out = append(out, reference{page, p, m[0]})
		}
	}
	return out
}

// listed returns the places of a list, with all that lies within its ranges.
func listed(list string) []string {
	var out []string
	before := 0
	for _, m := range place.FindAllStringSubmatch(list, -1) {
		kind := "Pitfall "
		if m[2] != "" {
			kind = ""
		}
		stem, last := "", m[3]
		if i := strings.LastIndexByte(last, '.'); i >= 0 {
			stem, last = last[:i+1], last[i+1:]
		}
		n, _ := strconv.Atoi(last)
		if m[1] == "" {
			before = n - 1
		}
		for i := before + 1; i <= n; i++ {
			out = append(out, kind+stem+strconv.Itoa(i))
		}
		before = n
	}
	return out
}

func TestReferencesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"(contract, sync §10.8)":                                "sync: sync:10.8",
		"(contract, sync)":                                      "sync:",
		"requirement 3.1; contract, storage). It":               "storage:",
		"contract auth §8.5":                                    "auth:8.5",
		"// (contract,\n\t// sync §10.1, Pitfall 2)":            "sync: sync:10.1 sync:Pitfall 2",
		"env §5, §6 and Pitfalls 2 to 4":                        "env:5 env:6 env:Pitfall 2 env:Pitfall 3 env:Pitfall 4",
		"sync §5; auth Pitfalls 1, 3, storage §8":               "sync:5 auth:Pitfall 1 auth:Pitfall 3 storage:8",
		"env §1–§3 and §14":                                     "env:1 env:2 env:3 env:14",
		"host-integration §14.6":                                "host-integration:14.6",
		"Auth §2.3 and Pitfall 10: no mode":                     "auth:2.3 auth:Pitfall 10",
		"(RFC 5321 §4.1.1.1 and §4.1.3), (HTML Standard, §9.2)": "",
		"(security-middleware\n * §7, and more":                 "security-middleware:7",
		"(contract, Pitfall 2)":                                 "pitfall: :Pitfall 2",
	} {
		var got []string
		for _, r := range references(margin.ReplaceAllString(text, ""), "") {
			got = append(got, r.page+":"+r.place)
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%q refers to %q, want %q", text, joined, want)
		}
	}
}

// TestReferencesToTheContractResolve looks whether each place of the contract that a comment, a test or a document names
// is a heading of that page, and whether it says which page.
func TestReferencesToTheContractResolve(t *testing.T) {
	headings := map[string]map[string]bool{}
	for _, page := range contractPages {
		text, err := os.ReadFile(filepath.Join("contract", page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		headings[page] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
			name := m[1]
			if name == "" {
				name = "Pitfall " + m[2]
			}
			if headings[page][name] {
				t.Errorf("contract/%s.md has two headings %s", page, name)
			}
			headings[page][name] = true
		}
	}
	checked := 0
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		name := e.Name()
		switch {
		case err != nil:
			return err
		case e.IsDir():
			if slices.Contains(others, name) || path != ".." && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		case !slices.Contains(written, filepath.Ext(name)):
			return nil
		case filepath.ToSlash(path) == "../docs/contract_test.go":
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, here := string(source), ""
		if !strings.Contains(text, "§") && !strings.Contains(text, "Pitfall") && !strings.Contains(text, "contract,") {
			return nil
		}
		if filepath.Base(filepath.Dir(path)) == "contract" {
			here = strings.TrimSuffix(name, ".md")
			text = heading.ReplaceAllString(text, "")
		}
		if filepath.Ext(name) != ".md" {
			text = margin.ReplaceAllString(text, "")
		}
		for _, r := range references(text, here) {
			line := strings.Count(text[:r.at], "\n") + 1
			switch {
			case !slices.Contains(contractPages, r.page):
				t.Errorf("%s:%d: %q %s is no page of the contract, or names none", path, line, r.page, r.place)
			case r.place != "" && !headings[r.page][r.place]:
				t.Errorf("%s:%d: contract/%s.md has no heading %s", path, line, r.page, r.place)
			}
			checked++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 400 {
		t.Errorf("only %d references were found", checked)
	}
}
