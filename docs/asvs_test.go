package docs

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// chapters are the sections of OWASP ASVS 5.0 that docs/asvs.md has to answer, with the number of their items.
var chapters = []struct {
	section string
	items   int
}{
	{"6.1", 3}, {"6.2", 12}, {"6.3", 8}, {"6.4", 6}, {"6.5", 8}, {"6.6", 4}, {"6.7", 2}, {"6.8", 4},
	{"7.1", 3}, {"7.2", 4}, {"7.3", 2}, {"7.4", 5}, {"7.5", 3}, {"7.6", 2},
	{"9.1", 3}, {"9.2", 4},
}

// verdicts are the answers that an item can have. Only what does not apply needs no evidence.
var verdicts = map[string]bool{"met": true, "partly": true, "not met": true, "not applicable": false}

// row is a line of the table: item, level, verdict, how, and the evidence in backquotes.
var row = regexp.MustCompile(`(?m)^\| (\d+\.\d+\.\d+) \| ([123]) \| ([a-z ]+) \| (.+) \| (.*) \|$`)

var quoted = regexp.MustCompile("`([^`]+)`")

func TestEveryItemOfASVSHasAVerdictAndEvidence(t *testing.T) {
	text, err := os.ReadFile("asvs.md")
	if err != nil {
		t.Fatal(err)
	}
	answered := map[string]bool{}
	known := namesOfTests(t)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		item, verdict, evidence := m[1], m[3], quoted.FindAllStringSubmatch(m[5], -1)
		if answered[item] {
			t.Errorf("%s is answered twice", item)
		}
		answered[item] = true
		needed, valid := verdicts[verdict]
		if !valid {
			t.Errorf("%s: %q is not a verdict", item, verdict)
		}
		if needed && len(evidence) == 0 {
			t.Errorf("%s: %s without a test that shows it", item, verdict)
		}
		for _, name := range evidence {
			if !known(name[1]) {
				t.Errorf("%s: there is no test or document %q", item, name[1])
			}
		}
	}
	want := 0
	for _, c := range chapters {
		want += c.items
		for i := range c.items {
			if item := fmt.Sprintf("%s.%d", c.section, i+1); !answered[item] {
				t.Errorf("%s has no line", item)
			}
		}
	}
	if len(answered) > want {
		t.Errorf("%d lines for %d items", len(answered), want)
	}
}

// namesOfTests returns a function that reports whether a name is that of a Go test, the title of a browser or component
// test, or a document with a heading, written as file.md#Heading.
func namesOfTests(t *testing.T) func(string) bool {
	tests := map[string]bool{}
	var titles, documents strings.Builder
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git"):
			return filepath.SkipDir
		case strings.HasSuffix(path, "_test.go"):
			source, err := os.ReadFile(path)
			for _, m := range function.FindAllSubmatch(source, -1) {
				tests[string(m[1])] = true
			}
			return err
		case strings.HasSuffix(path, ".test.mjs"), strings.HasSuffix(path, ".test.ts"), strings.HasSuffix(path, ".spec.ts"):
			source, err := os.ReadFile(path)
			titles.Write(source)
			return err
		case filepath.Dir(path) == "../docs" && strings.HasSuffix(path, ".md"):
			source, err := os.ReadFile(path)
			for _, line := range strings.Split(string(source), "\n") {
				if strings.HasPrefix(line, "#") {
					documents.WriteString(filepath.Base(path) + "#" + strings.TrimLeft(line, "# ") + "\n")
				}
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) bool {
		switch {
		case strings.Contains(name, ".md#"):
			return strings.Contains(documents.String(), name+"\n")
		case tests[name]:
			return true
		}
		return strings.Contains(titles.String(), "'"+name+"'") || strings.Contains(titles.String(), `"`+name+`"`) || strings.Contains(titles.String(), "`"+name+"`")
	}
}
