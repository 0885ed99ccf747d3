package wizard

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// engine is that of a new directory, of OR3 Chat or not.
func engine(t *testing.T, nuxt bool) *setup.Setup {
	t.Helper()
	dir := t.TempDir()
	if nuxt {
		if err := os.WriteFile(filepath.Join(dir, "nuxt.config.ts"), []byte("export default {}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r := &or3cloud.Registry{}
	if err := errors.Join(basicauth.Register(r), fs.Register(r), sqlite.Register(r)); err != nil {
		t.Fatal(err)
	}
	s, err := setup.Open(setup.Options{Dir: dir, Registry: r, Rand: rand.Reader, Executable: "/usr/local/bin/or3-cloud"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryPageFitsTheTerminal: on no page of any preset is a line wider than the terminal or below its end, no word is
// broken that fits on a line, and all help is there: label, help, options, example, what is wrong, and the keys.
func TestEveryPageFitsTheTerminal(t *testing.T) {
	review := func(p setup.Plan) string {
		return "Would write in " + p.Dir + "\n" + strings.Repeat("    + NAME=value\n", 30)
	}
	for _, size := range []struct{ width, height int }{{200, 60}, {80, 24}, {60, 20}, {40, 24}} {
		for _, nuxt := range []bool{false, true} {
			s := engine(t, nuxt)
			for _, p := range s.Presets() {
				m := newModel(s, setup.Answers{Preset: p.ID}, review)
				m.Update(tea.WindowSizeMsg{Width: size.width, Height: size.height})
				// With these, every question is asked.
				m.answers = m.answers.With("OR3_SMTP_URL", "smtp://mail.example.org:587").With("OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", "owner@example.org")
				steps := m.steps()
				for _, step := range steps {
					m.open(step)
					texts := []string{"Enter: on", "Ctrl+C: leave, nothing is written"}
					if one := m.question.Setting; one.Name != "" {
						texts = append(append(texts, one.Label, one.Help), one.Options...)
						if one.Example != "" && one.Example != m.question.Proposal {
							texts = append(texts, "Example: "+one.Example)
						}
						m.problem = s.Check(m.answers, one.Name, "no such thing")
						if m.problem != nil {
							texts = append(texts, m.problem.Fault, m.problem.Fix)
						}
					}
					switch step {
					case stepPreset:
						texts = append(texts, p.Help)
						for _, other := range s.Presets() {
							texts = append(texts, other.Label)
						}
					case stepFiles:
						for _, e := range setup.Extras {
							texts = append(texts, e.Label)
						}
					}
					page := fmt.Sprintf("%s of %s at %dx%d", step, p.ID, size.width, size.height)
					view := ansi.Strip(m.View().Content)
					if lines := strings.Split(view, "\n"); len(lines) > size.height {
						t.Errorf("%s has %d lines:\n%s", page, len(lines), view)
					}
					for line := range strings.Lines(view) {
						if w := ansi.StringWidth(strings.TrimRight(line, " \n")); w > size.width {
							t.Errorf("%s has a line of %d columns: %s", page, w, line)
						}
					}
					seen := strings.Join(strings.Fields(strings.ReplaceAll(view, "┃", "")), " ")
					for _, text := range texts {
						if text = strings.Join(strings.Fields(text), " "); size.width >= 60 && !strings.Contains(seen, text) {
							t.Errorf("%s does not have %q whole:\n%s", page, text, view)
						}
					}
				}
			}
		}
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 10, []string{""}},
		{"as it   is", 10, []string{"as it   is"}},
		{"one two three", 8, []string{"one two", "three"}},
		{"    + A=1 two", 10, []string{"    + A=1", "    two"}},
		{"  + A=123456789012345", 10, []string{"  + A=1234", "  56789012", "  345"}},
		{"a\nb --flag c", 6, []string{"a", "b", "--flag", "c"}},
		{"日本語日本語", 5, []string{"日本", "語日", "本語"}},
		{"            x yyyyyyyyyy", 12, []string{"      x yyyy", "      yyyyyy"}},
	} {
		if got := lines(c.text, c.width); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
