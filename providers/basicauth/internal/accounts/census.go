package accounts

import (
	"context"
	"math"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// CountAccounts implements census.Accounts.
func (o *Operator) CountAccounts(ctx context.Context) (out census.AccountCounts, err error) {
	all, err := o.store.Read.AccountTotals(ctx)
	if err != nil {
		return out, store.Fault(err)
	}
	live, err := o.store.Read.CountSignedIn(ctx, o.now().UnixMilli())
	return census.AccountCounts{Accounts: all.Accounts, Disabled: all.Disabled, SignedIn: live.SignedIn, Sessions: live.Sessions}, store.Fault(err)
}

// mostLooked is how many accounts one question compares names with, so that none takes long; stretch is how many are
// read at once.
const (
	mostLooked = 20_000
	stretch    = 1000
)

// SearchAccounts implements census.Accounts. SQLite knows no case but that of ASCII, so it cannot compare names.
func (o *Operator) SearchAccounts(ctx context.Context, in census.AccountSearch) (page []or3cloud.Account, next string, err error) {
	if err := checkCensus(in.Limit); err != nil {
		return nil, "", err
	}
	text := strings.ToLower(strings.TrimSpace(in.Text))
	if text == "" {
		return o.ListAccounts(ctx, in.Cursor, in.Limit)
	}
	place, err := parseAccountCursor(in.Cursor)
	if err != nil {
		return nil, "", err
	}
	page = []or3cloud.Account{}
	for looked := 0; looked < mostLooked; looked += stretch {
		rows, err := o.store.Read.AccountNames(ctx, db.AccountNamesParams{CreatedAt: place.CreatedAt, ID: place.ID, Rows: stretch})
		if err != nil {
			return nil, "", store.Fault(err)
		}
		for _, r := range rows {
			if len(page) == in.Limit {
				return page, accountCursor(db.AccountsPageRow{ID: place.ID, CreatedAt: place.CreatedAt}), nil
			}
			place.CreatedAt, place.ID = r.CreatedAt, r.ID
			if !strings.Contains(r.Email, text) && !strings.Contains(strings.ToLower(r.DisplayName.String), text) {
				continue
			}
			switch a, err := o.overview(ctx, r.ID); {
			case store.Absent(err): // it was deleted in between
			case err != nil:
				return nil, "", store.Fault(err)
			default:
				page = append(page, a)
			}
		}
		if len(rows) < stretch {
			return page, "", nil
		}
	}
	return page, accountCursor(db.AccountsPageRow{ID: place.ID, CreatedAt: place.CreatedAt}), nil
}

// ListSignedIn implements census.Accounts. A cursor is when the last session was used, and its id.
func (o *Operator) ListSignedIn(ctx context.Context, cursor string, limit int) (page []census.SignedInSession, next string, err error) {
	if err := checkCensus(limit); err != nil {
		return nil, "", err
	}
	in := db.SignedInParams{Now: o.now().UnixMilli(), LastSeenAt: math.MaxInt64, Rows: int64(limit) + 1}
	if cursor != "" {
		at, id, ok := strings.Cut(cursor, ".")
		if in.LastSeenAt, err = strconv.ParseInt(at, 10, 64); err != nil || !ok {
			return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not a cursor of a page of sessions", cursor)
		}
		in.ID = id
	}
	rows, err := o.store.Read.SignedIn(ctx, in)
	if err != nil {
		return nil, "", store.Fault(err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = strconv.FormatInt(rows[limit-1].LastSeenAt, 10) + "." + rows[limit-1].ID
	}
	page = make([]census.SignedInSession, len(rows))
	for i, r := range rows {
		page[i] = census.SignedInSession{
			AccountID: r.AccountID, Email: r.Email, DisplayName: r.DisplayName.String,
			AccountSession: or3cloud.AccountSession{
				ID: r.ID, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), LastSeenAt: time.UnixMilli(r.LastSeenAt).UTC(),
				ExpiresAt: time.UnixMilli(r.ExpiresAt).UTC(), IPAddress: r.IpAddress.String, UserAgent: r.UserAgent.String,
			},
		}
	}
	return page, next, nil
}

func checkCensus(limit int) error {
	if limit < 1 || limit > census.MaxPage {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "a page has 1 to %d entries", census.MaxPage)
	}
	return nil
}
