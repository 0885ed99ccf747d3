package basicauth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// settle corrects the times that were stored while the clock was ahead. They are not believed before that either; this
// makes sure that they are not believed again when that day comes.
func settle(ctx context.Context, q store.Queries, now time.Time, lifetimes sessions.Options) error {
	ms, until := now.UnixMilli(), lifetimes.AccessUntil(now).UnixMilli()
	idle, absolute := now.Add(lifetimes.RefreshTTL).UnixMilli(), now.Add(lifetimes.SessionTTL).UnixMilli()
	return errors.Join(
		q.KeepSetBack(ctx, ms),
		q.SettleSessions(ctx, db.SettleSessionsParams{Now: ms, Latest: store.Latest(now), IdleEnd: idle, AbsoluteEnd: absolute, AccessEnd: until}),
		q.SettleTokens(ctx, db.SettleTokensParams{Now: ms, Latest: store.Latest(now), IdleEnd: idle}),
		q.SettleTOTP(ctx, db.SettleTOTPParams{Now: ms, Newest: factors.NewestStep(now)}),
		q.SettleAccounts(ctx, db.SettleAccountsParams{Now: ms, LatestExcuse: now.Add(or3cloud.LongestExcuse).UnixMilli()}),
		q.SettleDeletedAccounts(ctx, until),
		q.SettlePasskeys(ctx, ms),
		q.SettleEvents(ctx, db.SettleEventsParams{Now: ms, Latest: store.Latest(now)}),
		letters.SettleMail(ctx, q, now),
		q.DeleteExpiredOneTimeTokens(ctx, db.DeleteExpiredOneTimeTokensParams{Now: ms, Latest: store.Latest(now)}),
		guard.DeleteExpiredWindows(ctx, q, now),
	)
}

// shorten ends sessions no later than the current lifetimes allow: those that an operator has shortened also apply to
// sessions that began before.
func shorten(ctx context.Context, q store.Queries, now time.Time, lifetimes sessions.Options) error {
	idle := lifetimes.RefreshTTL.Milliseconds()
	n, err := q.ShortenSessions(ctx, db.ShortenSessionsParams{Idle: idle, Absolute: lifetimes.SessionTTL.Milliseconds()})
	if err != nil || n == 0 {
		return err
	}
	return errors.Join(q.ShortenTokens(ctx, idle), q.EndShortenedSessions(ctx, now.UnixMilli()))
}

// settleAtStart is settle for a start whose clock is behind the stored times, and logs that.
func settleAtStart(ctx context.Context, st *store.Store, clock *store.Clock, log *slog.Logger, lifetimes sessions.Options) error {
	now := clock.Now()
	newest, err := st.Read.NewestTime(ctx)
	if err != nil {
		return err
	}
	if newest <= store.Latest(now) {
		back, err := st.Read.SetBackAt(ctx)
		clock.SetBack.Store(back)
		return err
	}
	log.Warn("the clock is behind the newest time in the database of the accounts: it was ahead then, or is wrong now",
		"newest", time.UnixMilli(newest).UTC(), "now", now.UTC())
	clock.SetBack.Store(now.UnixMilli())
	return st.Tx(ctx, func(q store.Queries) error { return settle(ctx, q, now, lifetimes) })
}
