package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// eventKind names something that happened to an account. The names are stable: pages and operators' tools show them.
type eventKind string

// The security events.
const (
	eventRegistered         eventKind = "registered"
	eventSignedIn           eventKind = "signed_in"
	eventSignInFailed       eventKind = "sign_in_failed"
	eventSignedOut          eventKind = "signed_out"
	eventTokenReplayed      eventKind = "refresh_token_replayed"
	eventSessionRevoked     eventKind = "session_revoked"
	eventPasswordChanged    eventKind = "password_changed"
	eventResetRequested     eventKind = "reset_requested"
	eventPasswordReset      eventKind = "password_reset"
	eventEmailChangeAsked   eventKind = "email_change_requested"
	eventEmailChanged       eventKind = "email_changed"
	eventDisplayNameChanged eventKind = "display_name_changed"
	eventTOTPEnabled        eventKind = "totp_enabled"
	eventTOTPRemoved        eventKind = "totp_removed"
	eventRecoveryRenewed    eventKind = "recovery_codes_renewed"
	eventRecoveryUsed       eventKind = "recovery_code_used"
	eventPasskeyAdded       eventKind = "passkey_added"
	eventPasskeyRemoved     eventKind = "passkey_removed"
	eventPasskeyCloned      eventKind = "passkey_counter_regressed"
	eventPasskeysElsewhere  eventKind = "passkeys_not_demanded"
	eventFactorsReset       eventKind = "factors_reset"
	eventDisabled           eventKind = "account_disabled"
	eventEnabled            eventKind = "account_enabled"
)

// record writes a security event into the trail of an account, in the transaction of what happened, and into the log. r
// is nil when the operator did it. Neither place gets a secret; detail is for facts such as the name of a passkey.
func (p *provider) record(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID string, kind eventKind, detail string) error {
	return p.recordAt(ctx, q, r, accountID, kind, detail, p.now())
}

// recordAt is record of something that happened a moment ago.
func (p *provider) recordAt(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID string, kind eventKind, detail string, at time.Time) error {
	e := db.InsertEventParams{AccountID: accountID, Kind: string(kind), At: at.UnixMilli(), Detail: store.Optional(detail)}
	by := "operator"
	if r != nil {
		e.IpAddress, e.UserAgent = store.Optional(r.ClientIP), userAgent(r)
		by = r.ClientIP
	}
	p.log.Info("account event", "event", string(kind), "account", accountID, "address", by)
	return keepEvent(ctx, q, e)
}

// The trail of an account holds the newest events of each kind, so that nobody can cover up one with many of another. A trail
// that is longer becomes shorter in steps.
const (
	eventsOfAKind = 200
	surplusEvents = 100
)

// keepEvent adds an event to a trail and takes the oldest of its kind away if there are too many.
func keepEvent(ctx context.Context, q store.Queries, e db.InsertEventParams) error {
	if err := q.InsertEvent(ctx, e); err != nil {
		return err
	}
	return q.DeleteSurplusEvents(ctx, db.DeleteSurplusEventsParams{
		AccountID: e.AccountID, Kind: e.Kind, Keep: eventsOfAKind, Most: surplusEvents,
	})
}
