package adminapi

import (
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/ncruces/go-sqlite3/driver"
)

// How much there is in a large deployment.
const (
	manyUsers      = 10_000
	manyWorkspaces = 50_000
	manyEntries    = 1_000_000
)

// populate fills the databases of a house with rows as the providers write them; asking for them would take too long.
func (h *house) populate(b *testing.B) {
	b.Helper()
	fill := func(file string, statements ...string) {
		b.Helper()
		db, err := sql.Open("sqlite3", "file:"+filepath.ToSlash(filepath.Join(h.instance.Options().DataDir, file))+"?_pragma=busy_timeout(60000)")
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		tx, err := db.Begin()
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range statements {
			if _, err := tx.Exec(s); err != nil {
				b.Fatalf("%v in %s", err, s)
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	series := func(n int) string {
		return fmt.Sprintf("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) ", n)
	}
	now := time.Now().UnixMilli()
	fill("or3-sync.sqlite",
		series(manyUsers)+fmt.Sprintf("INSERT INTO users (id, email, display_name, created_at) SELECT 'user-' || i, 'user' || i || '@example.test', 'User ' || i, %d FROM n", now),
		series(manyUsers)+fmt.Sprintf("INSERT INTO auth_accounts (provider, provider_user_id, user_id, created_at) SELECT '%s', 'account-' || i, 'user-' || i, %d FROM n", "basic-auth", now),
		series(manyWorkspaces)+fmt.Sprintf("INSERT INTO workspaces (num, id, name, description, created_at) SELECT 1000 + i, 'workspace-' || i, 'Workspace ' || i, '', %d FROM n", now),
		series(manyWorkspaces)+fmt.Sprintf("INSERT INTO members (workspace, user_id, role, created_at) SELECT 1000 + i, 'user-' || (i %% %d + 1), 'owner', %d FROM n", manyUsers, now),
		series(manyWorkspaces)+"INSERT INTO counters (workspace, version, bytes) SELECT 1000 + i, i % 7000, (i * 7919) % 1000000 FROM n",
		series(manyWorkspaces)+"INSERT INTO storage_usage (workspace, bytes, files) SELECT 1000 + i, (i * 104729) % 100000000, i % 50 FROM n",
		series(100)+fmt.Sprintf("INSERT INTO device_cursors (workspace, user_id, device, version, updated_at) SELECT 1001, 'user-' || i, 'device-' || i, i, %d FROM n", now),
		series(manyEntries)+fmt.Sprintf(`INSERT INTO audit (at, actor_kind, actor_id, actor_name, action, refusal, workspace_id, user_id, settings, object, address, request_id, times)
			SELECT %d + i, 'deployment_admin', 'user-' || (i %% 10), 'user' || (i %% 10) || '@example.test', CASE i %% 3 WHEN 0 THEN 'workspace.create' WHEN 1 THEN 'account.disable' ELSE 'config.write' END,
			CASE i %% 20 WHEN 0 THEN 'forbidden' ELSE '' END, 'workspace-' || (i %% 1000), '', '[]', '', '192.0.2.1', 'request-' || i, 1 FROM n`, now-manyEntries))
	fill("basic-auth.sqlite",
		series(manyUsers)+fmt.Sprintf("INSERT INTO accounts (id, email, password_hash, display_name, created_at, updated_at) SELECT 'account-' || i, 'user' || i || '@example.test', 'x', 'User ' || i, %d + i, %d FROM n", now-manyUsers, now),
		series(2*manyUsers)+fmt.Sprintf(`INSERT INTO sessions (id, account_id, token_version, created_at, expires_at, access_until, ends_at, authenticated_at, last_seen_at, ip_address, user_agent)
			SELECT 'session-' || i, 'account-' || (i %% %d + 1), 0, %d, %d, %d, %d, %d, %d - i, '192.0.2.1', 'Mozilla/5.0 (X11; Linux) Firefox/128.0' FROM n`,
			manyUsers, now, now+1e9, now+1e9, now+1e9, now, now))
}

// BenchmarkPages measures what the pages ask for in a large deployment: go test ./host/adminapi -bench Pages -benchtime
// 20x. What a query may read from end to end is bounded by TestEveryStatementUsesIndexes of each provider.
func BenchmarkPages(b *testing.B) {
	h := newHouse(b)
	h.opt.Unlimited = true
	h.open(nil)
	h.populate(b)
	for _, path := range []string{
		"totals", "system/status", "accounts", "accounts?search=user9999", "accounts?search=nothing", "accounts/account-77", "accounts/account-77/deletion", "signed-in", "signed-in?limit=100",
		"admin-users", "search-users?q=user9999",
		"workspace-census?order=largest", "workspace-census?order=newest", "workspace-census?order=newest&search=nothing", "workspace-census?order=largest&search=nothing",
		"workspace-census?order=largest&search=Workspace%2049999", "workspaces/workspace-1", "workspaces/workspace-1/sync", "workspaces/workspace-1/stored", "workspace/invites/list?workspaceId=workspace-1",
		"jobs", "mail", "audit", "audit?action=config", "audit?actor=nobody", "audit?workspaceId=workspace-7&outcome=refused", "audit?since=2020-01-01T00:00:00Z&action=none.such",
	} {
		b.Run(strings.NewReplacer("?", "_", "&", "_", "=", "-", "/", "-").Replace(path), func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				if got := h.send(h.request(principals[9], http.MethodGet, OwnPrefix+path, "")); got.status != http.StatusOK {
					b.Fatalf("%d %s", got.status, got.body)
				}
				took = append(took, time.Since(began))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms/most")
		})
	}
}
