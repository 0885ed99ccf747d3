package basicauth

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
)

// proofLifetime is how long a sensitive change may follow the last proof of who is there (ASVS 5.0, 7.5.1).
const proofLifetime = 10 * time.Minute

// signedIn returns who sends a request, with account and session as the store has them now, or errExpired.
func (p *provider) signedIn(c call) (db.SessionAccountRow, error) {
	who, _, err := p.identify(c.Context(), c.Request)
	if err != nil {
		return db.SessionAccountRow{}, err
	}
	if who == nil {
		return db.SessionAccountRow{}, errExpired()
	}
	row, err := p.store.read.SessionAccount(c.Context(), db.SessionAccountParams{SessionID: who.sessionID, AccountID: who.accountID})
	if absent(err) || err == nil && row.TokenVersion != who.version {
		return row, errExpired()
	}
	return row, err
}

// recentlyProven is signedIn for sensitive changes: the password or a passkey must have been shown a moment ago.
func (p *provider) recentlyProven(c call) (db.SessionAccountRow, error) {
	row, err := p.signedIn(c)
	if err != nil {
		return row, err
	}
	return row, p.fresh(c, row)
}

// fresh asks for a new proof if the last one of a session is too old.
func (p *provider) fresh(c call, row db.SessionAccountRow) error {
	if p.now().Sub(time.UnixMilli(row.AuthenticatedAt)) < proofLifetime {
		return nil
	}
	methods := []string{"password"}
	if n, err := p.store.read.CountPasskeys(c.Context(), row.ID); err != nil {
		return err
	} else if n > 0 {
		methods = append(methods, "passkey")
	}
	return refuse(or3cloud.CodeForbidden, "reauthentication_required", "Please confirm that it is you.", map[string]any{"methods": methods})
}

// asked returns who sends a request, found out by signedIn or recentlyProven, and then what with it.
func asked(c call, by func(call) (db.SessionAccountRow, error)) (db.SessionAccountRow, fields, error) {
	who, err := by(c)
	if err != nil {
		return who, nil, err
	}
	f, err := c.body()
	return who, f, err
}
