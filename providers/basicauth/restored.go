package basicauth

import (
	"context"
	"database/sql"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
)

// storeName is the name of the database among the stores of the instance.
const storeName = "accounts"

// restore makes an older copy of the database safe: it is not known which sessions have ended and which codes were used
// since, so all of them end here. Access tokens that were signed before are refused by revocations.restored. In a data
// directory that was merely copied nothing ends: moving to another machine signs no one out.
func restore(now func() time.Time) func(context.Context, *sql.Tx, or3cloud.StoreAdmission) error {
	return func(ctx context.Context, tx *sql.Tx, a or3cloud.StoreAdmission) error {
		if a.Age != or3cloud.StoreOlder {
			return nil
		}
		q := db.New(tx)
		return errors.Join(
			q.EndAllSessions(ctx, now().UnixMilli()),
			q.DeleteAllTokens(ctx),
			q.DeleteAllRecoveryCodes(ctx),
			q.UseAllTOTPSteps(ctx, now().Unix()/factors.TOTPPeriod),
			q.DeleteAllMail(ctx),
		)
	}
}

// DatabaseState implements or3cloud.DatabaseIntegrity.
func (p *provider) DatabaseState() or3cloud.DatabaseState { return p.watch.State() }

// CheckDatabase implements or3cloud.DatabaseIntegrity.
func (p *provider) CheckDatabase(ctx context.Context, in or3cloud.DatabaseCheckRequest) (or3cloud.DatabaseStretch, error) {
	out, err := p.store.File.Check(ctx, in.After, in.Span)
	p.watch.Found(out.Faults...)
	return out, err
}

var _ or3cloud.DatabaseIntegrity = (*provider)(nil)

// databaseIdentity tells the file from others and from older copies of itself.
func databaseIdentity(env or3cloud.Env) *sqlitex.Identity {
	return &sqlitex.Identity{Stores: env.Stores, Name: storeName, Restore: restore(env.Now), Now: env.Now, Log: env.Log}
}
