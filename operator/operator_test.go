package operator

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// TestEveryUseCaseIsServed compares the use cases that this package declares with the commands of a desk.
func TestEveryUseCaseIsServed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	makers := []string{"onAccounts", "onMembers", "onAdmins", "onStored", "onStore", "onAccountCensus", "untilClosing"}
	var declared []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			vars, ok := d.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, spec := range vars.Specs {
				for _, value := range spec.(*ast.ValueSpec).Values {
					arguments := nameFirst(value, makers)
					if arguments == nil {
						continue
					}
					name, err := strconv.Unquote(arguments[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					declared = append(declared, name)
				}
			}
		}
	}
	slices.Sort(declared)
	served := slices.Sorted(maps.Keys(New(nil, Links{}).Commands()))
	if len(declared) < 20 || !slices.Equal(declared, served) {
		t.Errorf("declared %q\nserved   %q", declared, served)
	}
}

// nameFirst returns what a use case is made of, its name first, or nil if value is not a use case: a call of one of the
// makers, or a literal of UseCase.
func nameFirst(value ast.Expr, makers []string) []ast.Expr {
	switch v := value.(type) {
	case *ast.CallExpr:
		if maker, ok := v.Fun.(*ast.Ident); ok && slices.Contains(makers, maker.Name) {
			return v.Args
		}
	case *ast.CompositeLit:
		if generic, ok := v.Type.(*ast.IndexListExpr); ok {
			if kind, ok := generic.X.(*ast.Ident); ok && kind.Name == "UseCase" {
				return v.Elts
			}
		}
	}
	return nil
}

// reading are the use cases that change nothing.
var reading = []string{
	ListAccounts.Name, ListSessions.Name, PreviewDeletion.Name, ListInvites.Name, FindWorkspaces.Name, ListMembers.Name, ListStored.Name,
	MeasureFiles.Name, CheckDatabase.Name, ListAudit.Name, ListAdmins.Name,
	DescribeProviders.Name, SearchUsers.Name, SearchWorkspaces.Name, DescribeWorkspace.Name, ListJobs.Name, CountJobs.Name, ReadLog.Name, ReadJournal.Name,
	SearchAccounts.Name, ListSignedIn.Name, DescribeAccount.Name, WeighWorkspaces.Name, DescribeSync.Name, CountAll.Name, ReportMail.Name,
}

// TestEveryUseCaseIsRecordedOrReads demands of each use case to say whether it changes anything.
func TestEveryUseCaseIsRecordedOrReads(t *testing.T) {
	for name := range New(nil, Links{}).Commands() {
		if (recorded[name] != "") == slices.Contains(reading, name) {
			t.Errorf("%s belongs either into recorded or into reading", name)
		}
	}
}

// What can never be accepted is refused here, for every caller, before anything is looked up.
func TestBadQuestionsAreRefused(t *testing.T) {
	d := New(nil, Links{PublicURL: "https://cloud.example.org"})
	invite := func(change func(*NewInvite)) error {
		in := NewInvite{Email: "ann@example.org", WorkspaceID: "w", Role: or3cloud.RoleEditor}
		change(&in)
		_, err := inviteUser(t.Context(), d, instance.Operator{}, in)
		return err
	}
	for name, err := range map[string]error{
		"an invite that ends too soon":  invite(func(in *NewInvite) { in.Seconds = 59 }),
		"an invite that has ended":      invite(func(in *NewInvite) { in.Seconds = -1 }),
		"an invite that lives too long": invite(func(in *NewInvite) { in.Seconds = 365*24*60*60 + 1 }),
		"an invite that never ends":     invite(func(in *NewInvite) { in.Seconds = 1 << 62 }),
		"an invite for no role":         invite(func(in *NewInvite) { in.Role = "king" }),
		"an invite for no address":      invite(func(in *NewInvite) { in.Email = "Ann <ann@example.org>" }),
		"a member without a role":       second(addMember(t.Context(), instance.Operator{}, nil, Membership{Name: "ann@example.org"})),
		"another role that is none":     second(changeRole(t.Context(), instance.Operator{}, nil, Membership{Name: "ann@example.org", Role: "king"})),
	} {
		if or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%s: %v, want CodeInvalid", name, err)
		}
	}
}

func TestATestMessageWantsOneAddress(t *testing.T) {
	for _, to := range []string{"", "ann", "Ann <ann@example.org>", "ann@example.org, bob@example.org", "ann@example.org\r\nRCPT TO:<bob@example.org>"} {
		r := MailTest{URL: "smtp://127.0.0.1:1", From: "cloud@example.org", To: to}.Run(t.Context())
		if r.OK || r.Step != "" || r.Error != strconv.Quote(to)+" is not an e-mail address" {
			t.Errorf("%q: %+v", to, r)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// pages is a desk with so many accounts, of which it shows two at a time.
type pages int

// Call implements Caller.
func (p pages) Call(_ context.Context, name string, in, out any) error {
	query, ok := in.(AccountsQuery)
	if name != "user/list" || !ok {
		return fmt.Errorf("%s %v", name, in)
	}
	from, _ := strconv.Atoi(query.Cursor)
	var page Accounts
	for i := from; i < min(from+2, int(p)); i++ {
		page.Accounts = append(page.Accounts, or3cloud.Account{ID: strconv.Itoa(i)})
	}
	if from+2 < int(p) {
		page.Next = strconv.Itoa(from + 2)
	}
	text, err := json.Marshal(page)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, out)
}

func TestAllAccountsAreThoseOfAllPages(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 7} {
		all, err := AllAccounts(t.Context(), pages(n))
		if err != nil || len(all.Accounts) != n || all.Accounts == nil || all.Next != "" {
			t.Errorf("%d accounts: %+v, %v", n, all, err)
		}
		for i, a := range all.Accounts {
			if a.ID != strconv.Itoa(i) {
				t.Errorf("%d accounts: the one at %d is %s", n, i, a.ID)
			}
		}
	}
}
