package dotenv

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files again")

const heading = "Written by set-up"

// changes are made to every file of testdata/edit.
var changes = []Change{
	{Name: "AUTH_PROVIDER", Value: "basic-auth"},
	{Name: "KEY", Value: `quote " apostrophe ' $HOME #1 \ end`},
	{Name: "NEW", Value: "a plain value"},
	{Name: "OLD", Unset: true},
}

// TestEditGolden makes the same changes to awkward files. Everything else must stay the same, byte for byte, as the
// golden files show.
func TestEditGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/edit/*.env")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Edit(string(text), heading, changes)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".env") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-golden +got:\n%s", diff)
			}
			checkEdit(t, string(text), got, changes)
			again, err := Edit(got, heading, changes)
			if err != nil || again != got {
				t.Errorf("a second time changes something: %v\n%s", err, cmp.Diff(got, again))
			}
		})
	}
}

type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

// checkEdit parses both texts: planned values must be there, and all others unchanged.
func checkEdit(t fataler, before, after string, changes []Change) {
	t.Helper()
	was, is := Parse(before, outside), Parse(after, outside)
	if !slices.EqualFunc(was.Bad, is.Bad, func(a, b BadLine) bool { return a.Text == b.Text }) {
		t.Fatalf("bad lines %v were %v", is.Bad, was.Bad)
	}
	for _, c := range changes {
		value, set := is.Values[c.Name]
		if set == c.Unset || value != c.Value {
			t.Fatalf("%s is %q, set %v; want %+v\n%q", c.Name, value, set, c, after)
		}
	}
	raw := func(text string) map[string]string {
		values := map[string]string{}
		found, _ := scan(normalise(text).text)
		for _, a := range found {
			values[a.name] = a.value
		}
		for _, c := range changes {
			delete(values, c.Name)
		}
		return values
	}
	if a, b := raw(before), raw(after); !maps.Equal(a, b) {
		t.Fatalf("other variables changed: %q, were %q", b, a)
	}
	if strings.HasPrefix(before, byteOrderMark) != strings.HasPrefix(after, byteOrderMark) {
		t.Fatalf("the byte order mark is gone or new")
	}
}

func TestEditRefusesWhatItCannotWrite(t *testing.T) {
	for _, c := range []Change{
		{Name: "", Value: "x"}, {Name: "A B", Value: "x"}, {Name: "Ä", Value: "x"},
		{Name: "A", Value: "\n \\n '\"`"}, // no kind of quotes can hold it
	} {
		if got, err := Edit("OTHER=1\n", heading, []Change{c}); err == nil {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// value generates what people and programs put into .env files, with a preference for special characters.
var value = rapid.StringOf(rapid.OneOf(
	rapid.RuneFrom([]rune("abcXYZ019+/=_-. \t")), rapid.RuneFrom([]rune("#$\\'\"`{}:&;\n\r")), rapid.RuneFrom([]rune("é日\u00a0")),
))

// TestEditKeepsEverythingElse makes random changes to random files of awkward lines.
func TestEditKeepsEverythingElse(t *testing.T) {
	line := rapid.OneOf(
		rapid.SampledFrom([]string{
			"", "# comment", "A=1", "export B='x'", "C=\"a", "b\"", "D: e", "A=`", "'", "B=\"\" # x", "no", "C=$A${B}", "D='\\'", "A=#", "E = f ",
		}),
		rapid.Map(value, func(s string) string { return "F=" + s }), value,
	)
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n", "\r"}).Draw(t, "end")
		text := rapid.SampledFrom([]string{"", byteOrderMark}).Draw(t, "bom") +
			strings.Join(rapid.SliceOfN(line, 0, 8).Draw(t, "lines"), end) + rapid.SampledFrom([]string{"", end}).Draw(t, "last")
		var changes []Change
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"A", "B", "C", "D", "E", "F", "NEW"}), 1, 3, rapid.ID).Draw(t, "names") {
			c := Change{Name: name, Unset: rapid.Bool().Draw(t, "unset")}
			if !c.Unset {
				c.Value = value.Draw(t, "value")
			}
			changes = append(changes, c)
		}
		got, err := Edit(text, heading, changes)
		if err != nil {
			return // it reports that, and the caller keeps the old file
		}
		checkEdit(t, text, got, changes)
	})
}

// TestEditWritesKeys checks that generated keys can be written into every file whose quotes are closed.
func TestEditWritesKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringOfN(rapid.RuneFrom([]rune(plain)), 44, 44, -1).Draw(t, "key")
		text := rapid.SampledFrom([]string{"", "A=1\n", "export KEY='old'\n", "KEY=\"two\nlines\"\n", "KEY=x # y"}).Draw(t, "text")
		got, err := Edit(text, heading, []Change{{Name: "KEY", Value: key}})
		if err != nil || Parse(got, outside).Values["KEY"] != key {
			t.Fatalf("%q: %v", got, err)
		}
	})
}

func FuzzEdit(f *testing.F) {
	files, _ := filepath.Glob("testdata/edit/*.env")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "KEY", `quote " apostrophe ' $HOME #1 \ end`, false)
		f.Add(string(text), "AUTH_PROVIDER", "", true)
	}
	f.Fuzz(func(t *testing.T, text, name, value string, unset bool) {
		c := Change{Name: name, Value: value, Unset: unset}
		if unset {
			c.Value = ""
		}
		if got, err := Edit(text, heading, []Change{c}); err == nil {
			checkEdit(t, text, got, []Change{c})
		}
	})
}
