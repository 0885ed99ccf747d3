package guard

import (
	"context"
	"database/sql"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Event names something that happened to an account. The names are stable: pages and operators' tools show them.
type Event string

// The security events.
const (
	EventRegistered         Event = "registered"
	EventSignedIn           Event = "signed_in"
	EventSignInFailed       Event = "sign_in_failed"
	EventSignedOut          Event = "signed_out"
	EventTokenReplayed      Event = "refresh_token_replayed"
	EventSessionRevoked     Event = "session_revoked"
	EventPasswordChanged    Event = "password_changed"
	EventResetRequested     Event = "reset_requested"
	EventPasswordReset      Event = "password_reset"
	EventEmailChangeAsked   Event = "email_change_requested"
	EventEmailChanged       Event = "email_changed"
	EventDisplayNameChanged Event = "display_name_changed"
	EventTOTPEnabled        Event = "totp_enabled"
	EventTOTPRemoved        Event = "totp_removed"
	EventRecoveryRenewed    Event = "recovery_codes_renewed"
	EventRecoveryUsed       Event = "recovery_code_used"
	EventPasskeyAdded       Event = "passkey_added"
	EventPasskeyRemoved     Event = "passkey_removed"
	EventPasskeyCloned      Event = "passkey_counter_regressed"
	EventPasskeysElsewhere  Event = "passkeys_not_demanded"
	EventFactorsReset       Event = "factors_reset"
	EventFactorExcused      Event = "second_factor_excused"
	EventDisabled           Event = "account_disabled"
	EventEnabled            Event = "account_enabled"
)

// Record adds a security event to the trail of an account, in the transaction in which it happens, and to the log. r is
// nil when the operator did it. Neither place gets a secret; detail is for facts such as the name of a passkey.
func (g *Guard) Record(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID string, kind Event, detail string) error {
	return g.RecordAt(ctx, q, r, accountID, kind, detail, g.now())
}

// RecordAt is Record for something that happened a moment ago.
func (g *Guard) RecordAt(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID string, kind Event, detail string, at time.Time) error {
	e := db.InsertEventParams{AccountID: accountID, Kind: string(kind), At: at.UnixMilli(), Detail: store.Optional(detail)}
	by := "operator"
	if r != nil {
		e.IpAddress, e.UserAgent = store.Optional(r.ClientIP), UserAgent(r)
		by = r.ClientIP
	}
	g.log.Info("account event", "event", string(kind), "account", accountID, "address", by)
	return KeepEvent(ctx, q, e)
}

// The trail of an account holds the newest events of each kind, so that no one can cover up one event with many of
// another kind. A trail that is longer is shortened in steps.
const (
	EventsOfAKind = 200
	SurplusEvents = 100
)

// KeepEvent adds an event to a trail and removes the oldest of its kind if there are too many.
func KeepEvent(ctx context.Context, q store.Queries, e db.InsertEventParams) error {
	if err := q.InsertEvent(ctx, e); err != nil {
		return err
	}
	return q.DeleteSurplusEvents(ctx, db.DeleteSurplusEventsParams{
		AccountID: e.AccountID, Kind: e.Kind, Keep: EventsOfAKind, Most: SurplusEvents,
	})
}

// maxUserAgent limits what is kept of a header that the client chooses.
const maxUserAgent = 256

// UserAgent is how a browser identifies itself, cut to the length that is kept.
func UserAgent(r *or3cloud.Request) sql.NullString {
	agent := strings.ToValidUTF8(r.UserAgent(), "")
	return store.Optional(strings.ToValidUTF8(agent[:min(len(agent), maxUserAgent)], ""))
}

// RedactEmail keeps the first character and the domain of an address.
func RedactEmail(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || local == "" {
		return "…"
	}
	return local[:1] + "…@" + domain
}
