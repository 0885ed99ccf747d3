package basicauth

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// TestExamineLooksAtWhatTheSettingsName checks the directory of the database and the file of breached passwords.
func TestExamineLooksAtWhatTheSettingsName(t *testing.T) {
	dir := t.TempDir()
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	if err := os.WriteFile(good, []byte(strings.Repeat("0", 40)+":1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		cfg      config
		rooms    []string
		problems int
	}{
		{nil, nil, 0},
		{config{settingDBPath: ":memory:"}, nil, 0},
		{config{settingDBPath: "/srv/accounts.sqlite"}, []string{settingDBPath + " /srv"}, 0},
		{config{settingDBPath: dir}, nil, 1},
		{config{settingBreachFile: good}, nil, 0},
		{config{settingBreachFile: bad}, nil, 1},
		{config{settingBreachFile: filepath.Join(dir, "none")}, nil, 1},
	} {
		var seen []string
		problems, warnings := examine(t.Context(), or3cloud.Examination{Config: c.cfg, DataDir: dir, Room: func(setting, at string) (problems, warnings []or3cloud.Problem) {
			seen = append(seen, setting+" "+at)
			return nil, nil
		}})
		if !slices.Equal(seen, c.rooms) || len(problems) != c.problems || len(warnings) > 0 {
			t.Errorf("%v: looked at %q, %v %v", c.cfg, seen, problems, warnings)
		}
		for _, p := range problems {
			if p.Variable != settingBreachFile && p.Variable != settingDBPath || p.Why == "" || p.Fix == "" {
				t.Errorf("%+v", p)
			}
		}
	}
}
