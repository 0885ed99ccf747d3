package shown

import (
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
)

// TestNamesDoNothingToATerminal prints what people call themselves, and what their browsers do.
func TestNamesDoNothingToATerminal(t *testing.T) {
	const name = "Bob\x1b[2J\nroot@example.test\troot"
	var out strings.Builder
	Accounts(&out, []or3cloud.Account{{Email: "bob@example.test", DisplayName: name}})
	Admins(&out, []operator.Admin{{Email: "bob@example.test", DisplayName: name}})
	Sessions(&out, []or3cloud.AccountSession{{UserAgent: name}})
	if got := out.String(); strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 6 || strings.Count(got, "Bob�[2J�root@example.test�root") != 3 {
		t.Errorf("%q", got)
	}
}
