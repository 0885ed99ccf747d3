package sessions

import (
	"context"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// verdict is the result of judging a refresh token.
type verdict int

// The verdicts, best first.
const (
	// live: the current token of its session. It is exchanged for a new one.
	live verdict = iota
	// recent: exchanged a moment ago by a parallel request. It gets the session's current token.
	recent
	// repeated: the last one that was exchanged, longer ago, for a token that was never used: the answer was lost. It
	// gets another token, which replaces that one.
	repeated
	// undated: like repeated, but exchanged at a time that is not believed, so that the order of events is unknown. Its
	// session ends.
	undated
	// replayed: exchanged longer ago, and the token it was exchanged for was used, or another token has replaced that.
	// There is a copy, so every session of the account ends.
	replayed
	// worthless: unknown, expired or of a session that has ended.
	worthless
)

// judge applies the rules of contract auth §8.5 to a stored token. A session has at most one live token, so following
// the chain of exchanges from a recent token always ends at the same one. seen says that the live token's generation
// was seen, but that the row does not say so yet.
func judge(t db.TokenRow, now time.Time, grace time.Duration, seen bool) verdict {
	expired := !now.Before(time.UnixMilli(t.ExpiresAt))
	switch {
	case t.RevokedAt.Valid, t.DisabledAt.Valid, t.SessionVersion != t.TokenVersion, !now.Before(time.UnixMilli(t.SessionExpiresAt)):
		return worthless
	case t.ReplacedAt.Valid && !expired:
		return replayed
	case t.RotatedAt.Valid && store.Within(t.RotatedAt.Int64, now, grace) && !t.ReplacedAt.Valid:
		return recent
	case expired:
		return worthless
	case !t.RotatedAt.Valid:
		return live
	case !t.Repeatable || seen:
		return replayed
	case t.RotatedAt.Int64 == 0 || t.RotatedAt.Int64 > store.Latest(now):
		return undated
	default:
		return repeated
	}
}

// presented is a refresh token of a request with what the store knows about it.
type presented struct {
	verdict     verdict
	fingerprint string
	row         db.TokenRow
}

// generation names the token that was presented; the first one of a session has no name.
func (p presented) generation() generation {
	if !p.row.Predecessor.Valid {
		return generation{}
	}
	return generationOf(p.row.SessionID, p.fingerprint)
}

// best returns the token with the best verdict. A browser can send several, from different paths; a stale one must not
// spoil a good one.
func (s *Sessions) best(ctx context.Context, q store.Queries, tokens []string, now time.Time) (presented, error) {
	found := presented{verdict: worthless}
	for _, token := range tokens {
		print := secret.Fingerprint(token)
		row, err := q.Token(ctx, print)
		if store.Absent(err) {
			continue
		}
		if err != nil {
			return found, err
		}
		seen := s.Sightings.has(generationOf(row.SessionID, row.LiveFingerprint))
		if v := judge(row, now, s.opts.Grace, seen); v < found.verdict {
			found = presented{v, print, row}
		}
	}
	return found, nil
}

// Renew exchanges one of the refresh tokens of a request for a new grant. It returns nil if none of them is valid.
//
// Only a live token needs the writer. The others are judged on a read connection, so that neither a flood of invalid
// tokens nor the parallel requests of a page wait for each other.
func (s *Sessions) Renew(ctx context.Context, r *or3cloud.Request, tokens []string) (*Grant, error) {
	if len(tokens) == 0 {
		return nil, nil
	}
	now := s.now()
	found, err := s.best(ctx, s.store.Read, tokens, now)
	if err != nil || found.verdict == worthless {
		return nil, store.Fault(err)
	}
	if found.verdict == recent {
		g, err := s.current(ctx, s.store.Read, found, now)
		return g, store.Fault(err)
	}
	if found.verdict == live && !s.rotations.Check(found.row.SessionID, s.rotationLimit()).Allowed {
		// No refresh token: the browser may get those of other answers after this one, or may have them already.
		s.Sightings.note(found.generation())
		g, err := s.grant("", identityOf(found.row, found.generation()), now, time.UnixMilli(found.row.SessionExpiresAt))
		return g, store.Fault(err)
	}
	var g *Grant
	var e Ended
	err = s.store.Tx(ctx, func(q store.Queries) (err error) {
		// Another request may have exchanged the token in the meantime.
		if found, err = s.best(ctx, q, tokens, now); err != nil {
			return err
		}
		if full, err := s.chainIsFull(ctx, q, found, now); err != nil {
			return err
		} else if full {
			g, err = s.prolong(ctx, q, found, now)
			return err
		}
		if found.verdict == repeated && s.retire(found.row, now) {
			found.verdict = replayed
		}
		switch found.verdict {
		case live:
			g, err = s.rotate(ctx, q, r, found, now)
		case recent:
			g, err = s.current(ctx, q, found, now)
		case repeated:
			g, err = s.repeat(ctx, q, r, found, now)
		case undated:
			if err = e.Session(ctx, q, found.row.AccountID, found.row.SessionID, now); err == nil {
				err = s.guard.Record(ctx, q, r, found.row.AccountID, guard.EventSessionRevoked, "")
			}
		case replayed:
			if err = e.Sessions(ctx, q, found.row.AccountID, now); err == nil {
				err = s.guard.Record(ctx, q, r, found.row.AccountID, guard.EventTokenReplayed, "")
			}
		}
		return err
	})
	if err != nil {
		return nil, store.Fault(err)
	}
	e.Apply(s.Revoked)
	switch found.verdict {
	case live, repeated:
		s.rotations.Take(found.row.SessionID, s.rotationLimit())
	case replayed:
		s.log.Warn("refresh token replayed, all sessions of the account revoked", "account", found.row.AccountID, "address", r.ClientIP)
	}
	return g, nil
}

// MaxRotations is how often a session may get a new refresh token within the grace window. No client comes near it; one
// that runs wild gets access tokens only, which cost no write, and stays signed in.
const MaxRotations = 60

// rotationLimit has the length of the grace window, so that access tokens that are issued without a rotation end before
// the time that the last rotation has recorded as their end.
func (s *Sessions) rotationLimit() ratelimit.Limit {
	return ratelimit.Limit{Max: MaxRotations, Window: s.opts.Grace}
}

// MaxChain is how many refresh tokens of a session are kept to recognise a replay. With the default lifetimes a browser
// that is never closed has 2,880. Beyond it the live token is exchanged once in SlowExchange, so that no token has to
// be forgotten before it expires, and the session goes on.
const MaxChain = 3000

// SlowExchange is a day by default: a fraction of the lifetime of a refresh token, so that there are 30 more tokens at
// most and the session does not run out in between.
func (s *Sessions) SlowExchange() time.Duration { return s.opts.RefreshTTL / 30 }

// chainIsFull reports whether a token that could be exchanged must wait. It removes the expired tokens of a full chain
// at once: the sign-ins that would otherwise remove them may never come.
func (s *Sessions) chainIsFull(ctx context.Context, q store.Queries, t presented, now time.Time) (bool, error) {
	if t.verdict != live && t.verdict != repeated || !store.Within(t.row.LiveCreatedAt, now, s.SlowExchange()) {
		return false, nil
	}
	full, err := q.HasTokens(ctx, db.HasTokensParams{SessionID: t.row.SessionID, Below: MaxChain - 1})
	if err != nil || !full {
		return false, err
	}
	return true, q.DeleteExpiredTokens(ctx, now.Add(-s.opts.Grace).UnixMilli())
}

// prolong issues an access token without a new refresh token.
func (s *Sessions) prolong(ctx context.Context, q store.Queries, t presented, now time.Time) (*Grant, error) {
	ends, err := q.ExtendAccess(ctx, db.ExtendAccessParams{
		ID: t.row.SessionID, AccountID: t.row.AccountID, Now: now.UnixMilli(), AccessUntil: s.AccessUntil(now).UnixMilli(),
	})
	if err != nil {
		return nil, err
	}
	if t.verdict == live {
		s.Sightings.note(t.generation())
	}
	return s.grant("", identityOf(t.row, t.generation()), now, time.UnixMilli(ends))
}

// rotate replaces a live token by a new one and prolongs its session.
func (s *Sessions) rotate(ctx context.Context, q store.Queries, r *or3cloud.Request, old presented, now time.Time) (*Grant, error) {
	n, err := q.RotateToken(ctx, db.RotateTokenParams{Now: now.UnixMilli(), Fingerprint: old.fingerprint})
	if err == nil && n != 1 {
		err = errors.New("rotate: the token is not live")
	}
	if err != nil {
		return nil, err
	}
	return s.succeed(ctx, q, r, old, now)
}

// retire refuses the access tokens that were issued with the live token when an earlier one is repeated, and reports
// whether one of them had been seen already. If a later step fails, their browser gets new ones with its refresh token.
func (s *Sessions) retire(t db.TokenRow, now time.Time) (seen bool) {
	g := generationOf(t.SessionID, t.LiveFingerprint)
	s.Revoked.revokeGeneration(g, s.AccessUntil(now))
	return s.Sightings.has(g)
}

// repeat gives a new token to a client that shows an exchanged token again because it never got the answer. The token
// of that answer is invalid from then on: if someone has it after all, there are two copies, and showing it is a
// replay.
func (s *Sessions) repeat(ctx context.Context, q store.Queries, r *or3cloud.Request, old presented, now time.Time) (*Grant, error) {
	n, err := q.ReplaceToken(ctx, db.ReplaceTokenParams{Now: now.UnixMilli(), Fingerprint: old.row.LiveFingerprint})
	if err != nil {
		return nil, err
	}
	m, err := q.RepeatToken(ctx, db.RepeatTokenParams{Now: now.UnixMilli(), Fingerprint: old.fingerprint})
	if err == nil && n+m != 2 {
		err = errors.New("repeat: the token is not the one before the live one")
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("refresh token repeated, its answer was lost", "account", old.row.AccountID, "address", r.ClientIP)
	return s.succeed(ctx, q, r, old, now)
}

// succeed makes the successor of a token that was exchanged and prolongs the session, but not beyond its absolute end.
func (s *Sessions) succeed(ctx context.Context, q store.Queries, r *or3cloud.Request, old presented, now time.Time) (*Grant, error) {
	token, print, err := s.refresh.Generate()
	if err != nil {
		return nil, err
	}
	sealed, err := s.sealer.Seal([]byte(token), print)
	if err != nil {
		return nil, err
	}
	last := earlier(time.UnixMilli(old.row.SessionEndsAt), now.Add(s.opts.SessionTTL))
	ends := earlier(now.Add(s.opts.RefreshTTL), last)
	err = errors.Join(
		q.InsertToken(ctx, db.InsertTokenParams{
			Fingerprint: print, SessionID: old.row.SessionID, Sealed: sealed, Predecessor: store.Optional(old.fingerprint),
			CreatedAt: now.UnixMilli(), ExpiresAt: ends.UnixMilli(),
		}),
		q.ExtendSession(ctx, db.ExtendSessionParams{
			ID: old.row.SessionID, Now: now.UnixMilli(), ExpiresAt: ends.UnixMilli(), EndsAt: last.UnixMilli(),
			AccessUntil: s.AccessUntil(now).UnixMilli(), IpAddress: store.Optional(r.ClientIP), UserAgent: guard.UserAgent(r),
		}),
		q.EraseSeals(ctx, db.EraseSealsParams{Before: now.Add(-s.opts.Grace).UnixMilli(), Latest: store.Latest(now)}),
	)
	if err != nil {
		return nil, err
	}
	return s.grant(token, identityOf(old.row, generationOf(old.row.SessionID, print)), now, ends)
}

// current issues the session's live token once more.
func (s *Sessions) current(ctx context.Context, q store.Queries, old presented, now time.Time) (*Grant, error) {
	t, err := q.LiveToken(ctx, old.row.SessionID)
	if err != nil {
		return nil, err
	}
	token, err := s.sealer.Open(t.Sealed, t.Fingerprint)
	if err != nil {
		return nil, err
	}
	return s.grant(string(token), identityOf(old.row, generationOf(old.row.SessionID, t.Fingerprint)), now, time.UnixMilli(old.row.SessionExpiresAt))
}

// AccessUntil is recorded with a session as the end of its access tokens. It covers those that are issued during the
// grace window, which writes nothing, and the time for which a token is believed beyond its end.
func (o Options) AccessUntil(now time.Time) time.Time {
	return now.Add(o.AccessTTL + o.Grace + ClockSkew)
}

// AccessUntil applies the options of the sessions.
func (s *Sessions) AccessUntil(now time.Time) time.Time { return s.opts.AccessUntil(now) }

func identityOf(t db.TokenRow, g generation) Identity {
	return Identity{
		AccountID: t.AccountID, Email: t.Email, displayName: t.DisplayName.String,
		SessionID: t.SessionID, Version: t.TokenVersion, Admitted: admitted(t.Origin), Founder: t.Founder == 1, generation: g.mark,
	}
}
