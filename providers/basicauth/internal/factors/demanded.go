package factors

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Policy says of whom an operator demands a second factor.
type Policy string

// The policies.
const (
	DemandOfNone   Policy = "off"
	DemandOfAdmins Policy = "admins"
	DemandOfAll    Policy = "all"
)

// Demand is the second factor that an operator demands of an account. The zero Demand is none.
type Demand struct {
	// Demanded says that one is demanded, and Met that the account has one.
	Demanded, Met bool
	// Due is when the account is restricted if it has none by then: the grace and an excuse have ended.
	Due time.Time
	// Excused is until when an operator lets the account go on without one; zero for no longer than the grace.
	Excused time.Time
	// Restricted says that Due has come and the account has none. It may do nothing then but set one up.
	Restricted bool
}

// Demands decide of whom a second factor is demanded, and from when on nothing works without.
//
// The grace of an account begins when one is first demanded of it: with the first start under the policy, or the first use of
// an account that came later or began to administer later. It is written down, so that neither a restart nor another clock
// begins it again.
type Demands struct {
	policy  Policy
	grace   time.Duration
	factors *Factors
	store   *store.Store
	admins  Admins
	log     *slog.Logger
	now     func() time.Time
}

// Admins say whether an account is one of a deployment administrator.
type Admins interface {
	Administers(ctx context.Context, accountID string) (bool, error)
}

// NewDemands returns what an operator demands of the accounts whose factors are given.
func NewDemands(policy Policy, grace time.Duration, f *Factors, admins Admins) *Demands {
	return &Demands{policy: policy, grace: grace, factors: f, store: f.store, admins: admins, log: f.log, now: f.now}
}

// Begin writes down, at a start, of whom a second factor is demanded from now on. What was demanded by a policy that is switched
// off is forgotten: another one begins with a new grace.
func (d *Demands) Begin(ctx context.Context) error {
	return d.store.Tx(ctx, func(q store.Queries) error {
		switch d.policy {
		case DemandOfAll:
			return q.DemandFactorOfAll(ctx, d.now().UnixMilli())
		case DemandOfAdmins:
			return nil
		default:
			return q.ForgetFactorDemands(ctx)
		}
	})
}

// Of returns what is demanded of an account, and begins its grace if that is the first time. It writes, so it must not be called in
// a transaction.
func (d *Demands) Of(ctx context.Context, accountID string) (Demand, error) {
	of, since, err := d.look(ctx, d.store.Read, accountID)
	if err != nil || !of.Demanded || since.Valid {
		return of, err
	}
	err = d.store.Tx(ctx, func(q store.Queries) error {
		return q.DemandFactor(ctx, db.DemandFactorParams{ID: accountID, Now: d.now().UnixMilli()})
	})
	if err != nil && ctx.Err() == nil { // the next request tries again; until then the grace has not begun
		d.log.Warn("the grace of a demanded second factor could not be written down", "account", accountID, "error", err)
	}
	return of, nil
}

// Look returns what is demanded of an account, and begins nothing.
func (d *Demands) Look(ctx context.Context, accountID string) (Demand, error) {
	of, _, err := d.look(ctx, d.store.Read, accountID)
	return of, err
}

// look reads what is demanded of an account, and since when if that is written down.
func (d *Demands) look(ctx context.Context, q store.Queries, accountID string) (of Demand, since sql.NullInt64, err error) {
	if d.policy == DemandOfNone {
		return of, since, nil
	}
	if d.policy == DemandOfAdmins {
		if admin, err := d.admins.Administers(ctx, accountID); err != nil || !admin {
			return of, since, err
		}
	}
	row, err := q.FactorDemand(ctx, accountID)
	if store.Absent(err) {
		return of, since, nil
	}
	if err != nil {
		return of, since, err
	}
	met := row.Totp
	if !met && row.Passkeys > 0 {
		has, err := d.factors.Of(ctx, q, accountID)
		if err != nil {
			return of, since, err
		}
		met = has.Any()
	}
	return decide(row, met, d.grace, d.now()), row.FactorDemandedAt, nil
}

// decide says what follows from what is stored. Times of a clock that was ahead are not believed: a grace that began then begins
// now, and no excuse is longer than one can be.
func decide(row db.FactorDemandRow, met bool, grace time.Duration, now time.Time) Demand {
	of := Demand{Demanded: true, Met: met}
	begun := now
	if at := row.FactorDemandedAt; at.Valid && at.Int64 <= store.Latest(now) {
		begun = time.UnixMilli(at.Int64)
	}
	of.Due = begun.Add(grace)
	if until := row.FactorExcusedUntil; until.Valid {
		if excused := earlier(time.UnixMilli(until.Int64), now.Add(or3cloud.LongestExcuse)); excused.After(of.Due) {
			of.Due, of.Excused = excused, excused
		}
	}
	of.Restricted = !met && !now.Before(of.Due)
	return of
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Excuse lets an account go on without a second factor for a time; 0 ends that.
func (d *Demands) Excuse(ctx context.Context, q store.Queries, accountID string, span time.Duration) error {
	params := db.ExcuseFactorParams{ID: accountID}
	if span > 0 {
		params.Until = sql.NullInt64{Int64: d.now().Add(min(span, or3cloud.LongestExcuse)).UnixMilli(), Valid: true}
	}
	return q.ExcuseFactor(ctx, params)
}

// retryRestricted is when a client that waits asks again: soon after the user has set a factor up, it goes on.
const retryRestricted = 15 * time.Second

// Restriction implements or3cloud.SessionRestrictor: what is answered to a user who has no second factor in time. It is a 503,
// because clients keep their edits then.
func (d *Demands) Restriction(ctx context.Context, accountID string) (*or3cloud.Error, error) {
	of, err := d.Of(ctx, accountID)
	if err != nil {
		return nil, store.Fault(err)
	}
	if !of.Restricted {
		return nil, nil
	}
	e := refuse.With(or3cloud.CodeUnavailable, "second_factor_demanded", restricted, nil)
	e.RetryAfter = retryRestricted
	return e, nil
}

const restricted = "This server demands a second factor. Set one up in your account; until then what you change stays on this device."

// Refuse returns the refusal of a change of an account that is restricted, nil if it is not. q may be in a transaction.
func (d *Demands) Refuse(ctx context.Context, q store.Queries, accountID string) error {
	of, _, err := d.look(ctx, q, accountID)
	if err == nil && of.Restricted {
		err = refuse.With(or3cloud.CodeForbidden, "second_factor_demanded", "This server demands a second factor. Set one up first.", nil)
	}
	return err
}
