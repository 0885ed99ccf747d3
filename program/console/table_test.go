package console

import (
	"strings"
	"testing"
)

// TestNoCellIsObeyed prints names that move the cursor, reverse the text, or look like a row of their own.
func TestNoCellIsObeyed(t *testing.T) {
	var out strings.Builder
	table := NewTable(&out, "NAME", "N")
	table.Row("a\x1b]0;title\a\x1b[2Jb\u009b31m\u202ec\x00\xff", 1)
	table.Row("d\nroot\tyes\r\v\fe", 2)
	table.Row("Ärzte 👩‍🚀 x", 3)
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	want := []string{"NAME N", "a�]0;title��[2Jb�31m�c�� 1", "d�root�yes���e 2", "Ärzte 👩‍🚀 x 3"}
	if len(lines) != len(want) {
		t.Fatalf("%d lines instead of %d: %q", len(lines), len(want), lines)
	}
	for i, line := range lines {
		if got := strings.Join(strings.Fields(line), " "); got != want[i] {
			t.Errorf("%q instead of %q", got, want[i])
		}
	}
}
