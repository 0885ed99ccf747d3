package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// others are folders of what people have not written here, written the kinds of files that they have.
var others = []string{"node_modules", "testdata", "dist"}

var written = []string{".go", ".ts", ".mts", ".vue", ".mjs", ".js", ".py", ".sql", ".md"}

// examples have references that are none.
var examples = []string{"../docs/contract_test.go", "../docs/site/site_test.go"}

// title is a heading of a page, margin what stands before the text of a comment.
var (
	title  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	margin = regexp.MustCompile(`(?m)^[ \t]*(?://+|/?\*+/?|#+|--)[ \t]?`)
)

func TestReferencesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"(contract, sync §10.8)":                                "sync: sync:10.8",
		"(contract, sync)":                                      "sync:",
		"requirement 3.1; contract, storage). It":               "storage:",
		"contract auth §8.5":                                    "auth:8.5",
		"// (contract,\n\t// sync §10.1, Pitfall 2)":            "sync: sync:10.1 sync:Pitfall 2",
		"env §5, §6 and Pitfalls 2 to 4":                        "env:5 env:6 env:Pitfall 2 env:Pitfall 3:Pitfall 4",
		"sync §5; auth Pitfalls 1, 3, storage §8":               "sync:5 auth:Pitfall 1 auth:Pitfall 3 storage:8",
		"env §1–§3 and §14":                                     "env:1 env:2:3 env:14",
		"host-integration §14.6":                                "host-integration:14.6",
		"Auth §2.3 and Pitfall 10: no mode":                     "auth:2.3 auth:Pitfall 10",
		"(RFC 5321 §4.1.1.1 and §4.1.3), (HTML Standard, §9.2)": "",
		"(security-middleware\n * §7, and more":                 "security-middleware:7",
		"(contract, Pitfall 2)":                                 "pitfall: :Pitfall 2",
	} {
		var got []string
		for _, r := range References(margin.ReplaceAllString(text, ""), "") {
			got = append(got, r.Page+":"+strings.Join(r.Places, ":"))
		}
		if joined := strings.Join(got, " "); joined != want {
			t.Errorf("%q refers to %q, want %q", text, joined, want)
		}
	}
}

// TestReferencesToTheContractResolve looks whether each place of the contract that a comment, a test or a document
// names is a heading of that page, and whether it says which page.
func TestReferencesToTheContractResolve(t *testing.T) {
	headings := map[string]map[string]bool{}
	for _, page := range ContractPages {
		text, err := os.ReadFile(filepath.Join("contract", page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		headings[page] = map[string]bool{}
		for _, m := range title.FindAllStringSubmatch(string(text), -1) {
			place := PlaceOf(m[1])
			if place != "" && headings[page][place] {
				t.Errorf("contract/%s.md has two headings %s", page, place)
			}
			headings[page][place] = true
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
		case slices.Contains(examples, filepath.ToSlash(path)):
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
			text = title.ReplaceAllString(text, "")
		}
		if filepath.Ext(name) != ".md" {
			text = margin.ReplaceAllString(text, "")
		}
		for _, r := range References(text, here) {
			line := strings.Count(text[:r.From], "\n") + 1
			if !slices.Contains(ContractPages, r.Page) {
				t.Errorf("%s:%d: %q %q is not a page of the contract, or names none", path, line, r.Page, r.Places)
			}
			for _, place := range r.Places {
				if !headings[r.Page][place] {
					t.Errorf("%s:%d: contract/%s.md has no heading %s", path, line, r.Page, place)
				}
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
