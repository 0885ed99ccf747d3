package dotenv

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func outside(name string) (string, bool) {
	if name == "OUTSIDE" {
		return "from outside", true
	}
	return "", false
}

// TestDotenvAgreesWithTheJavaScriptReader compares with the results of the npm packages dotenv 18.0.10 and c12 3.3.4,
// which OR3 Chat's host uses, for the same files. If the two programs read a secret differently, every user is signed
// out.
func TestDotenvAgreesWithTheJavaScriptReader(t *testing.T) {
	files, err := filepath.Glob("testdata/read/*.env")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden, err := os.ReadFile(strings.TrimSuffix(file, ".env") + ".json")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			if err := json.Unmarshal(golden, &want); err != nil {
				t.Fatal(err)
			}
			got := Parse(string(text), outside)
			if diff := cmp.Diff(want, got.Values); diff != "" {
				t.Errorf("-JavaScript +ours:\n%s", diff)
			}
		})
	}
}

func TestDotenvNamesBadLines(t *testing.T) {
	got := Parse("A=1\n\nthis is wrong\n# fine\nB=\"two\nlines\"\n=x\nC=3\n", outside)
	if !slices.Equal(got.Bad, []BadLine{{3, "this is wrong"}, {7, "=x"}}) {
		t.Errorf("bad lines %v", got.Bad)
	}
	if !slices.Equal(got.Names, []string{"A", "B", "C"}) {
		t.Errorf("names %v", got.Names)
	}
}

func TestDotenvBoundsDoublingReferences(t *testing.T) {
	var b strings.Builder
	b.WriteString("A0=\n")
	for i := 'B'; i <= 'Z'; i++ {
		prev := string(i - 1)
		if i == 'B' {
			prev = "A0"
		}
		b.WriteString(string(i) + "=$" + prev + "$" + prev + "\n")
	}
	Parse(b.String(), outside) // must return
}

func FuzzDotenv(f *testing.F) {
	files, _ := filepath.Glob("testdata/read/*.env")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		d := Parse(text, outside)
		if len(d.Names) != len(d.Values) {
			t.Errorf("%d names, %d values", len(d.Names), len(d.Values))
		}
		for _, name := range d.Names {
			if name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") != "" {
				t.Errorf("name %q", name)
			}
		}
		if lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1; len(d.Bad) > lines {
			t.Errorf("%d bad lines of %d", len(d.Bad), lines)
		}
	})
}
