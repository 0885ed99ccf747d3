package providertest

import (
	"slices"
	"testing"

	or3cloud "or3.chat/cloud"
)

// TestAccountAdmin checks that an auth provider keeps the promises of or3cloud.AccountAdmin. open is called for each
// case and cleans up through t; the provider has no accounts yet.
func TestAccountAdmin(t *testing.T, open func(t *testing.T) or3cloud.AccountAdmin) {
	emails := []string{"ann@example.test", "bob@example.test", "cay@example.test", "dan@example.test", "eve@example.test"}
	t.Run("an account is found by its id and its address", func(t *testing.T) {
		admin := open(t)
		added := addAccounts(t, admin, emails)
		for _, want := range added {
			for _, name := range []string{want.ID, want.Email} {
				if got, err := admin.Account(t.Context(), name); err != nil || got.ID != want.ID || got.Email != want.Email {
					t.Errorf("%q: %+v, %v", name, got, err)
				}
			}
		}
		for _, name := range []string{"", "ann", "zoe@example.test"} {
			if a, err := admin.Account(t.Context(), name); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
				t.Errorf("%q: %+v, %v; want CodeNotFound", name, a, err)
			}
		}
	})
	t.Run("pages of every size list all accounts once", func(t *testing.T) {
		admin := open(t)
		if accounts, next, err := admin.ListAccounts(t.Context(), "", 0); len(accounts) > 0 || next != "" || err != nil {
			t.Errorf("without accounts: %v, %q, %v", accounts, next, err)
		}
		want := addAccounts(t, admin, emails)
		for limit := range len(emails) + 2 {
			got := listAccounts(t, admin, limit, nil)
			wantAccounts(t, got, want)
		}
	})
	t.Run("a page says of an account what it says alone", func(t *testing.T) {
		admin := open(t)
		want := addAccounts(t, admin, emails[:1])[0]
		if err := admin.SetDisabled(t.Context(), want.ID, true); err != nil {
			t.Fatal(err)
		}
		alone, err := admin.Account(t.Context(), want.ID)
		if listed := listAccounts(t, admin, 0, nil); err != nil || !alone.Disabled || len(listed) != 1 || listed[0] != alone {
			t.Errorf("listed %+v, alone %+v, %v", listed, alone, err)
		}
	})
	t.Run("a listing survives the deletion of where it is", func(t *testing.T) {
		admin := open(t)
		want := addAccounts(t, admin, emails)
		got := listAccounts(t, admin, 2, func(last or3cloud.Account) {
			err := admin.DeleteAccount(t.Context(), last.ID)
			if or3cloud.CodeOf(err) == or3cloud.CodeUnsupported {
				t.Skip("the provider was opened without a store of users, so it deletes no account")
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		wantAccounts(t, got, want)
	})
	t.Run("a cursor that no page has returned is refused", func(t *testing.T) {
		admin := open(t)
		addAccounts(t, admin, emails[:1])
		if _, _, err := admin.ListAccounts(t.Context(), "no cursor", 1); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%v, want CodeInvalid", err)
		}
	})
}

// addAccounts adds accounts that no one can sign in to.
func addAccounts(t *testing.T, admin or3cloud.AccountAdmin, emails []string) (added []or3cloud.Account) {
	t.Helper()
	for _, email := range emails {
		a, err := admin.AddAccount(t.Context(), email, "", "")
		if err != nil {
			t.Fatal(err)
		}
		added = append(added, a)
	}
	return added
}

// wantAccounts compares a listing with what was added. Accounts that were created at the same moment may be in any
// order.
func wantAccounts(t *testing.T, got, want []or3cloud.Account) {
	t.Helper()
	if !slices.IsSortedFunc(got, func(a, b or3cloud.Account) int { return a.CreatedAt.Compare(b.CreatedAt) }) {
		t.Errorf("not the oldest first: %+v", got)
	}
	ids := func(accounts []or3cloud.Account) (ids []string) {
		for _, a := range accounts {
			ids = append(ids, a.ID)
		}
		slices.Sort(ids)
		return ids
	}
	if !slices.Equal(ids(got), ids(want)) {
		t.Errorf("listed %+v, want %+v", got, want)
	}
}

// listAccounts goes through all pages, and calls between, if it is not nil, with the last account of each.
func listAccounts(t *testing.T, admin or3cloud.AccountAdmin, limit int, between func(last or3cloud.Account)) (all []or3cloud.Account) {
	t.Helper()
	for cursor := ""; ; {
		accounts, next, err := admin.ListAccounts(t.Context(), cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		if limit > 0 && len(accounts) > limit {
			t.Fatalf("a page of %d has %d accounts", limit, len(accounts))
		}
		all = append(all, accounts...)
		if next == "" {
			return all
		}
		if next == cursor {
			t.Fatalf("the page behind %q leads to itself", cursor)
		}
		if cursor = next; between != nil && len(accounts) > 0 {
			between(accounts[len(accounts)-1])
		}
	}
}
