package sessions

import (
	"context"
	"slices"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// enders are the events that end sessions of other browsers.
var enders = []guard.Event{
	guard.EventSessionRevoked, guard.EventPasswordChanged, guard.EventPasswordReset, guard.EventFactorsReset, guard.EventTokenReplayed, guard.EventDisabled,
}

// besideEnd is how far apart an event and the end that it caused may be: they are two looks at the clock in one
// transaction.
const besideEnd = 5 * time.Second

// WhyEnded says what ended the session of a refresh token that is no longer valid: an event of the account, or "" if it
// simply expired, or if nothing is known. The page of that browser tells its user; anyone without such a token is told
// nothing.
func (s *Sessions) WhyEnded(ctx context.Context, tokens []string) (guard.Event, error) {
	for _, token := range tokens {
		row, err := s.store.Read.Token(ctx, secret.Fingerprint(token))
		switch {
		case store.Absent(err):
			continue
		case err != nil:
			return "", store.Fault(err)
		case row.DisabledAt.Valid:
			return guard.EventDisabled, nil
		case !row.RevokedAt.Valid:
			continue
		}
		events, err := s.store.Read.AccountEvents(ctx, db.AccountEventsParams{AccountID: row.AccountID, Count: guard.EventsOfAKind})
		if err != nil {
			return "", store.Fault(err)
		}
		for _, e := range events { // the newest first
			kind := guard.Event(e.Kind)
			if slices.Contains(enders, kind) && time.Duration(max(e.At-row.RevokedAt.Int64, row.RevokedAt.Int64-e.At))*time.Millisecond <= besideEnd {
				return kind, nil
			}
		}
	}
	return "", nil
}
