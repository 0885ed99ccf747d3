package accounts

import (
	"context"
	"database/sql"
	"math"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// AddAccount implements or3cloud.AccountAdmin.
func (o *Operator) AddAccount(ctx context.Context, email, displayName, password string) (or3cloud.Account, error) {
	displayName = strings.TrimFunc(displayName, form.IsSpace)
	switch {
	case !form.ValidEmail(email):
		return or3cloud.Account{}, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not an e-mail address", email)
	case form.Length(displayName) > form.MaxDisplayName:
		return or3cloud.Account{}, or3cloud.Errorf(or3cloud.CodeInvalid, "a display name has at most %d characters", form.MaxDisplayName)
	}
	email = form.NormalEmail(email)
	hash, err := o.operatorHash(ctx, password, email, displayName)
	if err != nil {
		return or3cloud.Account{}, err
	}
	var a db.Account
	err = o.store.Tx(ctx, func(q store.Queries) error {
		if a, err = o.accounts.insertAccount(ctx, q, db.Account{Email: email, PasswordHash: hash, DisplayName: store.Optional(displayName), Origin: sessions.OriginOperator}); err != nil {
			return err
		}
		return o.guard.Record(ctx, q, nil, a.ID, guard.EventRegistered, "")
	})
	if sqlitex.IsUnique(err) {
		return or3cloud.Account{}, or3cloud.Errorf(or3cloud.CodeConflict, "%s has an account already", email)
	}
	if err != nil {
		return or3cloud.Account{}, store.Fault(err)
	}
	return or3cloud.Account{ID: a.ID, Email: a.Email, DisplayName: displayName, CreatedAt: time.UnixMilli(o.now().UnixMilli()).UTC()}, nil
}

// operatorHash returns the hash of a password that passes the rules, or, if it is empty, a hash of a password that no
// one knows. about are texts that a password must not repeat.
func (o *Operator) operatorHash(ctx context.Context, password string, about ...string) (string, error) {
	if password == "" {
		unknown, _, err := secret.Opaque{Rand: o.rand}.Generate()
		if err != nil {
			return "", err
		}
		return o.guard.Passwords.Hash(ctx, unknown)
	}
	if form.Length(password) > form.MaxPassword {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "a password has at most %d characters", form.MaxPassword)
	}
	if err := o.accounts.CheckNewPassword(password, "password", about...); err != nil {
		return "", err
	}
	return o.guard.Passwords.Hash(ctx, password)
}

// Account implements or3cloud.AccountAdmin.
func (o *Operator) Account(ctx context.Context, name string) (or3cloud.Account, error) {
	a, err := accountNamed(ctx, o.store.Read, name)
	if err != nil {
		return or3cloud.Account{}, store.Fault(err)
	}
	out, err := o.overview(ctx, a.ID)
	if store.Absent(err) { // it was deleted in between
		err = noAccount(name)
	}
	return out, store.Fault(err)
}

// overview returns the account with an id.
func (o *Operator) overview(ctx context.Context, accountID string) (or3cloud.Account, error) {
	r, err := o.store.Read.AccountOverview(ctx, db.AccountOverviewParams{ID: accountID, Now: o.now().UnixMilli()})
	if err != nil {
		return or3cloud.Account{}, err
	}
	keys, err := o.store.Read.Passkeys(ctx, accountID)
	if err != nil {
		return or3cloud.Account{}, err
	}
	elsewhere := 0
	for _, key := range keys {
		if o.factors.OtherDomain(key.RpID.String) != "" {
			elsewhere++
		}
	}
	demand, err := o.demands.Look(ctx, accountID)
	if err != nil {
		return or3cloud.Account{}, err
	}
	out := or3cloud.Account{
		ID: r.ID, Email: r.Email, DisplayName: r.DisplayName.String, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(),
		Disabled: r.DisabledAt.Valid, Sessions: int(r.Sessions), PasskeysElsewhere: elsewhere, Founder: r.Founder == 1,
		SecondFactor: factors.Suffice(r.Totp, len(keys) > elsewhere, len(keys) > 0, r.RecoveryCodes > 0),
	}
	if demand.Demanded && !demand.Met {
		out.SecondFactorDue = demand.Due.UTC()
	}
	return out, nil
}

// maxAccountsPage is the most accounts that a page can have.
const maxAccountsPage = 500

// ListAccounts implements or3cloud.AccountAdmin.
func (o *Operator) ListAccounts(ctx context.Context, cursor string, limit int) (accounts []or3cloud.Account, next string, err error) {
	after, err := parseAccountCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	if limit <= 0 || limit > maxAccountsPage {
		limit = maxAccountsPage
	}
	after.Rows = int64(limit) + 1 // the extra one says whether there is another page
	rows, err := o.store.Read.AccountsPage(ctx, after)
	if err != nil {
		return nil, "", store.Fault(err)
	}
	if len(rows) > limit {
		rows = rows[:limit]
		next = accountCursor(rows[limit-1])
	}
	accounts = make([]or3cloud.Account, 0, len(rows))
	for _, r := range rows {
		switch a, err := o.overview(ctx, r.ID); {
		case store.Absent(err): // it was deleted in between
		case err != nil:
			return nil, "", store.Fault(err)
		default:
			accounts = append(accounts, a)
		}
	}
	return accounts, next, nil
}

// accountCursor is the position after an account in the order of their age.
func accountCursor(last db.AccountsPageRow) string {
	return strconv.FormatInt(last.CreatedAt, 10) + "." + last.ID
}

func parseAccountCursor(cursor string) (after db.AccountsPageParams, err error) {
	if cursor == "" {
		return db.AccountsPageParams{CreatedAt: math.MinInt64}, nil
	}
	at, accountID, ok := strings.Cut(cursor, ".")
	if after.CreatedAt, err = strconv.ParseInt(at, 10, 64); err != nil || !ok {
		return after, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is not a cursor of a page of accounts", cursor)
	}
	after.ID = accountID
	return after, nil
}

// SetPassword implements or3cloud.AccountAdmin.
func (o *Operator) SetPassword(ctx context.Context, name, password string) error {
	a, err := accountNamed(ctx, o.store.Read, name)
	if err != nil {
		return store.Fault(err)
	}
	if password == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "the password is empty")
	}
	hash, err := o.operatorHash(ctx, password, a.Email, a.DisplayName.String)
	if err != nil {
		return err
	}
	return o.operate(ctx, a.ID, func(q store.Queries, a db.Account, e *sessions.Ended) error {
		if _, err := o.accounts.ReplacePassword(ctx, q, a, hash, e); err != nil {
			return err
		}
		return o.letters.RecordAndNotify(ctx, q, nil, a, guard.EventPasswordChanged, letters.NoticePasswordChanged, "")
	})
}

// ResetFactors implements or3cloud.AccountAdmin.
func (o *Operator) ResetFactors(ctx context.Context, name string) error {
	return o.operate(ctx, name, func(q store.Queries, a db.Account, e *sessions.Ended) error {
		if err := o.factors.Reset(ctx, q, a.ID); err != nil {
			return err
		}
		return e.Sessions(ctx, q, a.ID, o.now())
	})
}

// ExcuseSecondFactor implements or3cloud.SecondFactorExcuser.
func (o *Operator) ExcuseSecondFactor(ctx context.Context, name string, span time.Duration) (or3cloud.Account, error) {
	var accountID string
	err := o.operate(ctx, name, func(q store.Queries, a db.Account, _ *sessions.Ended) error {
		accountID = a.ID
		if err := o.demands.Excuse(ctx, q, a.ID, span); err != nil {
			return err
		}
		return o.guard.Record(ctx, q, nil, a.ID, guard.EventFactorExcused, "")
	})
	if err != nil {
		return or3cloud.Account{}, err
	}
	return o.Account(ctx, accountID)
}

// ResetLink implements or3cloud.AccountAdmin.
func (o *Operator) ResetLink(ctx context.Context, name string) (fragment string, expires time.Time, err error) {
	err = o.operate(ctx, name, func(q store.Queries, a db.Account, _ *sessions.Ended) error {
		if a.DisabledAt.Valid {
			return or3cloud.Errorf(or3cloud.CodeConflict, "the account %s is switched off, so the link would not work", a.Email)
		}
		if fragment, expires, err = o.accounts.ResetFragment(ctx, q, a); err != nil {
			return err
		}
		return o.guard.Record(ctx, q, nil, a.ID, guard.EventResetRequested, "")
	})
	return fragment, expires.UTC(), err
}

// SetDisabled implements or3cloud.AccountAdmin.
func (o *Operator) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return o.operate(ctx, name, func(q store.Queries, a db.Account, e *sessions.Ended) error {
		if a.DisabledAt.Valid == disabled {
			return nil
		}
		now := o.now()
		params := db.SetDisabledParams{ID: a.ID, DisabledAt: sql.NullInt64{Int64: now.UnixMilli(), Valid: disabled}, Now: now.UnixMilli()}
		if _, err := q.SetDisabled(ctx, params); err != nil {
			return err
		}
		if !disabled {
			return o.guard.Record(ctx, q, nil, a.ID, guard.EventEnabled, "")
		}
		// The version rises as well, so that a sign-in whose password has already been checked fails.
		if _, err := q.EndAccess(ctx, db.EndAccessParams{ID: a.ID, Now: now.UnixMilli()}); err != nil {
			return err
		}
		e.Raise(a.ID, a.TokenVersion+1, o.sessions.AccessUntil(now))
		if err := e.Sessions(ctx, q, a.ID, now); err != nil {
			return err
		}
		return o.letters.RecordAndNotify(ctx, q, nil, a, guard.EventDisabled, letters.NoticeDisabled, "")
	})
}

// ListSessions implements or3cloud.AccountAdmin.
func (o *Operator) ListSessions(ctx context.Context, name string) ([]or3cloud.AccountSession, error) {
	a, err := accountNamed(ctx, o.store.Read, name)
	if err != nil {
		return nil, store.Fault(err)
	}
	rows, err := o.store.Read.AccountSessions(ctx, db.AccountSessionsParams{AccountID: a.ID, Now: o.now().UnixMilli()})
	if err != nil {
		return nil, store.Fault(err)
	}
	out := make([]or3cloud.AccountSession, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.AccountSession{
			ID: r.ID, CreatedAt: time.UnixMilli(r.CreatedAt).UTC(), LastSeenAt: time.UnixMilli(r.LastSeenAt).UTC(),
			ExpiresAt: time.UnixMilli(r.ExpiresAt).UTC(), IPAddress: r.IpAddress.String, UserAgent: r.UserAgent.String,
		}
	}
	return out, nil
}

// RevokeSessions implements or3cloud.AccountAdmin.
func (o *Operator) RevokeSessions(ctx context.Context, name, sessionID string) (n int, err error) {
	err = o.operate(ctx, name, func(q store.Queries, a db.Account, e *sessions.Ended) error {
		if sessionID == "" {
			err = e.Sessions(ctx, q, a.ID, o.now())
		} else {
			err = e.Session(ctx, q, a.ID, sessionID, o.now())
		}
		if n = e.Count(); err != nil || n == 0 {
			return err
		}
		return o.guard.Record(ctx, q, nil, a.ID, guard.EventSessionRevoked, "")
	})
	return n, err
}

// DeleteAccount implements or3cloud.AccountAdmin.
func (o *Operator) DeleteAccount(ctx context.Context, name string) error {
	return o.accounts.RemoveAccount(ctx, func(q store.Queries) (db.Account, error) { return accountNamed(ctx, q, name) })
}

// accountNamed returns the account with an id or an e-mail address.
func accountNamed(ctx context.Context, q store.Queries, name string) (db.Account, error) {
	a, err := q.AccountByID(ctx, name)
	if store.Absent(err) {
		a, err = q.AccountByEmail(ctx, form.NormalEmail(name))
	}
	if store.Absent(err) {
		err = noAccount(name)
	}
	return a, err
}

func noAccount(name string) error {
	return or3cloud.Errorf(or3cloud.CodeNotFound, "there is no account %q", name)
}

// operate runs fn in a write transaction, on the account with this name. What fn ends is refused from the commit on.
func (o *Operator) operate(ctx context.Context, name string, fn func(q store.Queries, a db.Account, e *sessions.Ended) error) error {
	var e sessions.Ended
	err := o.store.Tx(ctx, func(q store.Queries) error {
		a, err := accountNamed(ctx, q, name)
		if err != nil {
			return err
		}
		return fn(q, a, &e)
	})
	if err != nil {
		return store.Fault(err)
	}
	e.Apply(o.sessions.Revoked)
	return nil
}
