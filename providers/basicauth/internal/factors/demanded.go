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

// Policy says which accounts need a second factor.
type Policy string

// The policies.
const (
	DemandOfNone   Policy = "off"
	DemandOfAdmins Policy = "admins"
	DemandOfAll    Policy = "all"
)

// Demand is the second factor that an operator demands of an account. The zero Demand demands none.
type Demand struct {
	// Demanded says that a second factor is demanded, and Met that the account has one.
	Demanded, Met bool
	// Due is when the account is restricted if it has none by then: grace and excuse are over.
	Due time.Time
	// Excused is the end of the time for which an operator lets the account go on without one; zero if that is no
	// longer than the grace.
	Excused time.Time
	// Restricted says that Due has passed and the account has none. All that it can do is set one up.
	Restricted bool
}

// Demands decide which accounts need a second factor, and from when on they can do nothing without one.
//
// The grace of an account starts when a second factor is first demanded of it: with the first start under the policy,
// or the first use of an account that was created or became an administrator's later. The time is stored, so that
// neither a restart nor another clock restarts the grace.
type Demands struct {
	policy  Policy
	grace   time.Duration
	factors *Factors
	store   *store.Store
	admins  Admins
	log     *slog.Logger
	now     func() time.Time
}

// Admins report whether an account belongs to a deployment administrator.
type Admins interface {
	Administers(ctx context.Context, accountID string) (bool, error)
}

// NewDemands returns the demands on the accounts whose factors are given.
func NewDemands(policy Policy, grace time.Duration, f *Factors, admins Admins) *Demands {
	return &Demands{policy: policy, grace: grace, factors: f, store: f.store, admins: admins, log: f.log, now: f.now}
}

// Begin records, at a start, which accounts need a second factor from now on. The demands of a policy that was switched
// off are forgotten: a new policy starts with a new grace.
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

// Of returns what is demanded of an account, and starts its grace if that is the first time. It writes, so it must not
// be called in a transaction.
func (d *Demands) Of(ctx context.Context, accountID string) (Demand, error) {
	of, since, err := d.look(ctx, d.store.Read, accountID)
	if err != nil || !of.Demanded || since.Valid {
		return of, err
	}
	err = d.store.Tx(ctx, func(q store.Queries) error {
		return q.DemandFactor(ctx, db.DemandFactorParams{ID: accountID, Now: d.now().UnixMilli()})
	})
	if err != nil && ctx.Err() == nil { // the next request tries again; until then the grace has not started
		d.log.Warn("the grace of a demanded second factor could not be saved", "account", accountID, "error", err)
	}
	return of, nil
}

// Look returns what is demanded of an account, and starts nothing.
func (d *Demands) Look(ctx context.Context, accountID string) (Demand, error) {
	of, _, err := d.look(ctx, d.store.Read, accountID)
	return of, err
}

// look reads what is demanded of an account, and since when if that is stored.
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

// decide says what follows from what is stored. Times of a clock that was ahead are not believed: a grace that started
// then starts now, and no excuse lasts longer than the longest one.
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

// retryRestricted is when a waiting client tries again: soon after the user has set up a factor, it goes on.
const retryRestricted = 15 * time.Second

// Restriction implements or3cloud.SessionRestrictor: the answer to a user whose grace is over and who has no second
// factor. It is a 503, because clients keep their edits then.
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

// Refuse returns an error for a change to an account that is restricted, and nil if it is not. q may be in a
// transaction.
func (d *Demands) Refuse(ctx context.Context, q store.Queries, accountID string) error {
	of, _, err := d.look(ctx, q, accountID)
	if err == nil && of.Restricted {
		err = refuse.With(or3cloud.CodeForbidden, "second_factor_demanded", "This server demands a second factor. Set one up first.", nil)
	}
	return err
}
