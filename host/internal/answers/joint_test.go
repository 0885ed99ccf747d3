package answers

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func join(text string, pieces ...string) string {
	j := newJoint(text)
	for _, p := range pieces {
		text += j.add(p)
	}
	return text + j.end()
}

// What a model says is joined to the text that it continues, whatever it says first and however its words arrive.
func TestAnswersThatGoOn(t *testing.T) {
	for name, c := range map[string]struct {
		text, said, want string
	}{
		"with the sign":             {"the", ">> dog walked", "the dog walked"},
		"within a word":             {"revolu", ">>tion", "revolution"},
		"a sentence that ends":      {"data warehouses", ">>. Organizations", "data warehouses. Organizations"},
		"without the sign":          {"the", "dog", "the dog"},
		"without it, at a stop":     {"It is so.", "And so", "It is so. And so"},
		"a number that goes on":     {"so: ", "3", "so: 3"},
		"a repetition":              {"one two three", ">>two three four", "one two three four"},
		"a repetition without sign": {"one two three", "two three four", "one two three four"},
		"all of it again":           {"one two", "one two", "one two"},
		"nothing":                   {"one", "", "one"},
		"the sign alone":            {"one", ">>", "one"},
		"half of a sign":            {"one ", ">", "one >"},
		"a quote":                   {"one\n", "> two", "one\n> two"},
		"no repetition after all":   {"one two three", ">>two things", "one two threetwo things"},
		"other letters":             {"日本", ">>語", "日本語"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := join(c.text, c.said); got != c.want {
				t.Errorf("at once: %q, want %q", got, c.want)
			}
			if got := join(c.text, strings.Split(c.said, "")...); got != c.want {
				t.Errorf("in pieces: %q, want %q", got, c.want)
			}
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		letters := rapid.StringOf(rapid.SampledFrom([]rune("ab> é")))
		text, said := letters.Draw(t, "text"), letters.Draw(t, "said")
		whole := join(text, said)
		if parts := join(text, strings.Split(said, "")...); parts != whole {
			t.Fatalf("%q in pieces, %q at once", parts, whole)
		}
		if !strings.HasPrefix(whole, text) {
			t.Fatalf("%q has lost its beginning: %q", text, whole)
		}
	})
}
