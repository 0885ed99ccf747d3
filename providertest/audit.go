package providertest

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
)

// AuditBackend is a new, empty audit trail.
type AuditBackend struct {
	Audit audit.Store
	// Now is the store's clock, and Advance moves it.
	Now     func() time.Time
	Advance func(time.Duration)
}

// TestAudit checks what audit.Store promises.
func TestAudit(t *testing.T, open func(t *testing.T) AuditBackend) {
	run := func(name string, f func(t *testing.T, b *auditBench)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, &auditBench{AuditBackend: open(t), t: t, ctx: t.Context()})
		})
	}
	run("Entries", testAuditEntries)
	run("Queries", testAuditQueries)
	run("Pages", testAuditPages)
	run("Refusals", testAuditRefusals)
	run("Bounds", testAuditBounds)
	run("Retention", testAuditRetention)
}

type auditBench struct {
	AuditBackend
	t   *testing.T
	ctx context.Context
}

func (b *auditBench) append(entries ...audit.Entry) {
	b.t.Helper()
	must(0, b.Audit.AppendAudit(b.ctx, entries...))(b.t)
}

func (b *auditBench) list(q audit.Query) audit.Page {
	b.t.Helper()
	return must(b.Audit.ListAudit(b.ctx, q))(b.t)
}

// entry returns an entry for now.
func (b *auditBench) entry(kind audit.ActorKind, action audit.Action, refusal or3cloud.Code) audit.Entry {
	return audit.Entry{At: b.Now().Truncate(time.Millisecond), Actor: audit.Actor{Kind: kind}, Action: action, Refusal: refusal}
}

func testAuditEntries(t *testing.T, b *auditBench) {
	if page := b.list(audit.Query{}); len(page.Entries) != 0 || page.Entries == nil || page.Next != "" {
		t.Errorf("at first: %+v", page)
	}
	full := b.entry(audit.ActorDeploymentAdmin, audit.ConfigWrite, "")
	full.Actor.ID, full.Actor.Name, full.Address, full.RequestID = "user", "Ann@example.org", "2001:db8::1", "0123456789abcdef"
	full.Target = audit.Target{WorkspaceID: "ws", UserID: "bob", Settings: []string{"OR3_A", "OR3_B"}, Object: "hook"}
	refused := b.entry(audit.ActorAnonymous, audit.SignIn, or3cloud.CodeUnauthenticated)
	refused.Times, refused.Target.Settings = 7, []string{}
	b.append(full, refused)
	b.append()
	got := b.list(audit.Query{}).Entries
	if len(got) != 2 || !reflect.DeepEqual(got[0], refused) || !reflect.DeepEqual(got[1], full) {
		t.Errorf("\n got %+v\nwant %+v", got, []audit.Entry{refused, full})
	}
}

func testAuditQueries(t *testing.T, b *auditBench) {
	add := func(name string, change func(*audit.Entry)) {
		e := b.entry(audit.ActorSuperAdmin, audit.WorkspaceCreate, "")
		e.RequestID = name
		change(&e)
		b.append(e)
		b.Advance(time.Minute)
	}
	start := b.Now().Truncate(time.Millisecond)
	add("a", func(*audit.Entry) {})
	add("b", func(e *audit.Entry) {
		e.Actor = audit.Actor{Kind: audit.ActorDeploymentAdmin, ID: "u1", Name: "ann@example.org"}
	})
	add("c", func(e *audit.Entry) { e.Action, e.Target.WorkspaceID = audit.MemberUpsert, "ws" })
	add("d", func(e *audit.Entry) { e.Action, e.Refusal = "workspaces.list", or3cloud.CodeForbidden })
	add("e", func(e *audit.Entry) {
		e.Action, e.Target.WorkspaceID, e.Refusal = audit.MemberRemove, "ws", or3cloud.CodeConflict
	})
	for _, c := range []struct {
		name, want string
		query      audit.Query
	}{
		{"all", "edcba", audit.Query{}},
		{"an actor's kind", "b", audit.Query{Actor: "deployment_admin"}},
		{"an actor's id", "b", audit.Query{Actor: "u1"}},
		{"an actor's name", "b", audit.Query{Actor: "Ann@Example.org"}},
		{"another actor", "", audit.Query{Actor: "ann"}},
		{"one action", "c", audit.Query{Action: "workspace.members.upsert"}},
		{"actions on members", "ec", audit.Query{Action: "workspace.members"}},
		{"actions with a dot at the end", "ec", audit.Query{Action: "workspace.members."}},
		{"actions on a workspace", "ecba", audit.Query{Action: "workspace"}},
		{"half of a word", "", audit.Query{Action: "work"}},
		{"a pattern", "", audit.Query{Action: "%"}},
		{"a workspace", "ec", audit.Query{WorkspaceID: "ws"}},
		{"what was done", "cba", audit.Query{Outcome: audit.Done}},
		{"what was refused", "ed", audit.Query{Outcome: audit.Refused}},
		{"since", "edc", audit.Query{Since: start.Add(2 * time.Minute)}},
		{"until", "ba", audit.Query{Until: start.Add(2 * time.Minute)}},
		{"since and until", "b", audit.Query{Since: start.Add(time.Minute), Until: start.Add(2 * time.Minute)}},
		{"since ever", "edcba", audit.Query{Since: time.Unix(-5, 0)}},
		{"until before all", "", audit.Query{Until: time.Unix(-5, 0)}},
		{"all at once", "e", audit.Query{Actor: "super_admin", Action: "workspace", WorkspaceID: "ws", Outcome: audit.Refused, Since: start}},
	} {
		var got strings.Builder
		for _, e := range b.list(c.query).Entries {
			got.WriteString(e.RequestID)
		}
		if got.String() != c.want {
			t.Errorf("%s: %q, want %q", c.name, &got, c.want)
		}
	}
}

// testAuditPages goes through pages while entries are added.
func testAuditPages(t *testing.T, b *auditBench) {
	for i := range 7 {
		e := b.entry(audit.ActorOperator, audit.AccountCreate, "")
		e.Target.UserID = fmt.Sprint(i)
		b.append(e)
	}
	var got []string
	q := audit.Query{Limit: 3, Action: "account"}
	for pages := 0; ; pages++ {
		page := b.list(q)
		for _, e := range page.Entries {
			got = append(got, e.Target.UserID)
		}
		if page.Next == "" {
			if pages != 2 {
				t.Errorf("%d pages", pages+1)
			}
			break
		}
		q.Cursor = page.Next
		b.append(b.entry(audit.ActorOperator, audit.AccountDelete, ""))
	}
	if want := []string{"6", "5", "4", "3", "2", "1", "0"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for range 6 {
		var many []audit.Entry
		for range 100 {
			many = append(many, b.entry(audit.ActorOperator, audit.AccountCreate, ""))
		}
		b.append(many...)
	}
	for _, limit := range []int{0, -1, math.MaxInt} {
		if page := b.list(audit.Query{Limit: limit}); len(page.Entries) != audit.PageSize || page.Next == "" {
			t.Errorf("a limit of %d: %d entries", limit, len(page.Entries))
		}
	}
}

// testAuditRefusals tries invalid entries and queries, and entries that are longer than a trail keeps.
func testAuditRefusals(t *testing.T, b *auditBench) {
	good := b.entry(audit.ActorOperator, audit.AccountCreate, "")
	for _, action := range []audit.Action{"", "account", "Account.create", "account.create ", "account..create", ".", audit.Action("a." + strings.Repeat("b", 300))} {
		bad := good
		bad.Action = action
		wantCode(t, fmt.Sprintf("the action %q", action), b.Audit.AppendAudit(b.ctx, good, bad), or3cloud.CodeInvalid)
	}
	bad := good
	bad.Actor.Kind = "king"
	wantCode(t, "an actor of no kind", b.Audit.AppendAudit(b.ctx, good, bad), or3cloud.CodeInvalid)
	if page := b.list(audit.Query{}); len(page.Entries) != 0 {
		t.Errorf("part of what was refused is kept: %+v", page)
	}
	for _, q := range []audit.Query{{Cursor: "x"}, {Cursor: "-1"}, {Cursor: "1e9"}, {Outcome: "fine"}} {
		wantCode(t, fmt.Sprintf("%+v", q), errOf(b.Audit.ListAudit(b.ctx, q)), or3cloud.CodeInvalid)
	}

	long := strings.Repeat("é", audit.MaxText)
	good.Actor.ID, good.Actor.Name, good.Address, good.RequestID = long, "a\x1b[2Jb\xff", long, long
	good.Target = audit.Target{WorkspaceID: long, UserID: long, Object: long}
	for range 2 * audit.MaxSettings {
		good.Target.Settings = append(good.Target.Settings, long)
	}
	b.append(good)
	e := b.list(audit.Query{}).Entries[0]
	if len(e.Target.Settings) != audit.MaxSettings {
		t.Errorf("%d settings", len(e.Target.Settings))
	}
	for _, text := range append(e.Target.Settings, e.Actor.ID, e.Actor.Name, e.Address, e.RequestID, e.Target.WorkspaceID, e.Target.UserID, e.Target.Object) {
		if len(text) > audit.MaxText || text == "" || !utf8.ValidString(text) || strings.ContainsRune(text, '\x1b') {
			t.Errorf("%q", text)
		}
	}
}

// testAuditBounds lets each kind of entries grow beyond its limit: no other kind loses any.
func testAuditBounds(t *testing.T, b *auditBench) {
	rare := b.entry(audit.ActorSuperAdmin, audit.SignIn, "")
	rare.RequestID = "rare"
	b.append(rare)
	for _, c := range []struct {
		kind    audit.ActorKind
		refusal or3cloud.Code
		most    int
	}{
		{audit.ActorAnonymous, or3cloud.CodeUnauthenticated, audit.RefusedOfAKind},
		{audit.ActorDeploymentAdmin, or3cloud.CodeUnauthenticated, audit.RefusedOfAKind},
		{audit.ActorDeploymentAdmin, "", audit.DoneOfAKind},
	} {
		last := 0
		for range 5 {
			var many []audit.Entry
			for range c.most / 4 {
				last++
				e := b.entry(c.kind, audit.SignIn, c.refusal)
				e.RequestID = fmt.Sprint(last)
				many = append(many, e)
			}
			b.append(many...)
		}
		outcome := audit.Done
		if c.refusal != "" {
			outcome = audit.Refused
		}
		n, newest := 0, ""
		for q := (audit.Query{Actor: string(c.kind), Outcome: outcome}); ; {
			page := b.list(q)
			if n += len(page.Entries); newest == "" {
				newest = page.Entries[0].RequestID
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		if n != c.most || newest != fmt.Sprint(last) {
			t.Errorf("%+v: %d entries, the newest %q of %d", c, n, newest, last)
		}
	}
	if page := b.list(audit.Query{Actor: string(audit.ActorSuperAdmin)}); len(page.Entries) != 1 || page.Entries[0].RequestID != "rare" {
		t.Errorf("%d entries of another kind", len(page.Entries))
	}
}

func testAuditRetention(t *testing.T, b *auditBench) {
	b.append(b.entry(audit.ActorOperator, audit.AccountCreate, ""))
	b.Advance(audit.Retention - time.Hour)
	b.append(b.entry(audit.ActorOperator, audit.AccountDelete, ""))
	if n := len(b.list(audit.Query{}).Entries); n != 2 {
		t.Errorf("%d entries", n)
	}
	b.Advance(2 * time.Hour)
	b.append(b.entry(audit.ActorOperator, audit.AccountDelete, ""))
	page := b.list(audit.Query{})
	if len(page.Entries) != 2 || page.Entries[1].Action != audit.AccountDelete {
		t.Errorf("%+v", page)
	}
}
