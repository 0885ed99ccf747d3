package adminapi

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/administration.md")

// TestTheTableOfWhoMayWhatIsFresh makes the table in docs/administration.md from the guard's rows.
func TestTheTableOfWhoMayWhatIsFresh(t *testing.T) {
	const path, begin, end = "../../docs/administration.md", "<!-- made by go test ./host/adminapi -update -->\n", "<!-- end -->\n"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	was, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no place for the table", path)
	}
	who := map[audience]string{
		anyone: "anyone", superAdmins: "super administrator", owners: "super administrator; deployment administrator who owns the workspace",
		admins: "super administrator; every deployment administrator",
	}
	must := map[proof]string{readOnly: "–", anOrigin: "own origin, if any", ownOrigin: "own origin", intent: "own origin and intent"}
	var table strings.Builder
	table.WriteString("\n| Endpoint | Who at `" + Prefix + "` | Who at `" + OwnPrefix + "` | Proof at `" + Prefix + "` | At most | In the trail |\n|---|---|---|---|---|---|\n")
	for _, e := range newHouse(t).endpoints {
		there, own := who[e.may], "the same"
		switch {
		case e.ours && e.credentials:
			there, own = "–", "super administrator of the environment"
		case e.ours:
			there, own = "–", who[admins]
		case e.credentials && e.may != anyone:
			there = "super administrator of the environment"
		case e.may == superAdmins || e.may == owners:
			own = who[admins]
		}
		proven := must[e.proof]
		if e.ours {
			proven = "–"
		}
		often := "–"
		if e.limited {
			often = "20 a minute and network"
		}
		action := "–"
		if e.action != "" {
			action = "`" + string(e.action) + "`"
		}
		fmt.Fprintf(&table, "| `%s %s` | %s | %s | %s | %s | %s |\n", e.method, e.path, there, own, proven, often, action)
	}
	table.WriteString("\n")
	if table.String() == was {
		return
	}
	if !*update {
		t.Fatalf("the table of %s is not that of the API; write it with go test ./host/adminapi -run %s -update\n%s", path, t.Name(), table.String())
	}
	if err := os.WriteFile(path, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
