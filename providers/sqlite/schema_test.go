package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// released holds the SHA-256 of every migration that is part of a release. A released file never changes: databases
// in the field were made by it.
var released = map[string]string{}

func TestReleasedMigrationsNeverChange(t *testing.T) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: %v, %v", files, err)
	}
	for name, want := range released {
		body, err := migrationFiles.ReadFile("migrations/" + name)
		if sum := sha256.Sum256(body); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has changed since it was released: add a new migration instead (%v)", name, err)
		}
	}
}

// mayScan lists the statements that may read a table from end to end or sort, and why that is harmless.
var mayScan = map[string]string{
	"CountWorkspaces":          "is asked by administrators, and reads a row of two columns for each workspace",
	"SumUse":                   "is asked by administrators, and reads two numbers for each workspace",
	"SumLogs":                  "is asked by administrators, and reads a number for each workspace",
	"LargestWorkspaces":        "is asked by administrators, and compares two numbers for each workspace",
	"WorkspaceDevices":         "sorts the devices of one workspace, of which there are few",
	"FindWorkspaces":           "is asked by the operator, now and then",
	"ListInvites":              "sorts the invites of one workspace that are of one moment",
	"MembershipsOf":            "sorts the workspaces of one user",
	"ListWorkspaces":           "sorts the workspaces of one user",
	"OldestWorkspace":          "sorts the workspaces of one user",
	"TrimInvites":              "sorts the invites of one workspace, when the operator makes another",
	"TrimCursors":              "sorts the devices of one user in one workspace, of which there are few",
	"RehomeUsers":              "sorts the workspaces of each user who had the deleted one active",
	"HighestNumbers":           "is asked once, at the start",
	"RaiseCounters":            "runs at the start after an older copy was put back",
	"RevokePendingInvites":     "runs at the start after an older copy was put back",
	"DeleteSurplusRateWindows": "reads the bounded list of windows, once a second at most",
	"OldAdminEvents":           "reads the events that wait, once a minute, of which there are few",
	"WaitingWebhooks":          "reads the webhooks, of which a user has a few",
	"DueDeliveries":            "reads the webhooks, of which a user has a few",
	"WebhookNumbers":           "reads the webhooks, of which a user has a few",
	"InFlight":                 "reads the deliveries under way, of which there are few",
	"UsersByIdentity":          "is asked by the operator, now and then",
	"DeploymentAdmins":         "is asked by the operator, now and then",
	"ForgetAdmins":             "reads the deployment admins, who are few",
	"CountOpenJobs":            "reads the open jobs, of which there are few",
	"CountLeasedJobs":          "reads the open jobs, of which there are few",
	"JobsToTell":               "reads the jobs that wait for their notification, of which there are few",
	"ListedJobs":               "is asked by the operator, now and then",
	"JobCounts":                "is asked by administrators, now and then",
	"WaitingForCompletions":    "reads the answers that no webhook was told of yet, which is none mostly",
	"NextJob":                  "reads the open jobs, of which there are few",
	"OpenJobsOfTheFuture":      "reads the open jobs, of which there are few",
	"SettleOpenJobs":           "reads the open jobs, of which there are few",
	"PendingHistoryJobs":       "reads the jobs on their way into the history, of which there are few",
	"SurplusJobs":              "sorts the jobs that are kept of one user",
	"TrimCancellations":        "sorts the cancellations of one user, of which there are few",
	"IndexRuns":                "is asked once, at the start",
	"MeasureStock":             "counts indexes, once for each scrape",
	"MeasureDevices":           "reads the bounded list of devices, once for each scrape",
	"MeasureJobs":              "reads the bounded list of jobs, once for each scrape",
	"MeasureDeliveries":        "reads the bounded list of deliveries, once for each scrape",
	"DropFirstHold":            "sorts the holds of one workspace, of which there are few",
}

// TestEveryStatementUsesIndexes asks SQLite how it would run each statement of queries/: none may scan a table or
// sort, apart from mayScan.
func TestEveryStatementUsesIndexes(t *testing.T) {
	s, _ := openTest(t)
	files, err := filepath.Glob("queries/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("queries: %v, %v", files, err)
	}
	checked, sorted := 0, map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(string(text), "-- name: ")[1:] {
			name, _, _ := strings.Cut(block, " ")
			_, query, _ := strings.Cut(block, "\n")
			for _, detail := range plan(t, s, query) {
				if !strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "TEMP B-TREE") || detail == "SCAN CONSTANT ROW" {
					continue
				}
				sorted[name] = true
				if mayScan[name] == "" {
					t.Errorf("%s: %s", name, detail)
				}
			}
			checked++
		}
	}
	for name := range mayScan {
		if !sorted[name] {
			t.Errorf("%s neither scans nor sorts: take it off the list", name)
		}
	}
	if checked < 60 {
		t.Errorf("only %d statements were found", checked)
	}
}

// embedded is what sqlc replaces by all columns of a table.
var embedded = regexp.MustCompile(`sqlc\.embed\((\w+)\)`)

func plan(t *testing.T, s *Store, query string) (details []string) {
	t.Helper()
	rows, err := s.engine.DB.Read.Query("EXPLAIN QUERY PLAN " + embedded.ReplaceAllString(query, "$1.*"))
	if err != nil {
		t.Fatalf("%v in %s", err, query)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		details = append(details, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return details
}
