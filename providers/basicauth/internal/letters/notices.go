package letters

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// RecordAndNotify completes every change to a factor: an entry in the trail, and a notice to the owner.
func (l *Letters) RecordAndNotify(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, event guard.Event, notice Notice, detail string) error {
	if err := l.guard.Record(ctx, q, r, a.ID, event, detail); err != nil {
		return err
	}
	return l.Notify(ctx, q, r, a, notice, detail)
}

// Notice is something that the owner of an account is told by mail.
type Notice string

// The notices. Their text is in words.go.
const (
	NoticeNewSignIn         Notice = "new_sign_in"
	NoticeSignInFailures    Notice = "sign_in_failures"
	NoticePasswordChanged   Notice = "password_changed"
	NoticePasswordReset     Notice = "password_reset"
	NoticeEmailAsked        Notice = "email_change_requested"
	NoticeEmailChanged      Notice = "email_changed"
	NoticeTOTPEnabled       Notice = "totp_enabled"
	NoticeTOTPRemoved       Notice = "totp_removed"
	NoticePasskeyAdded      Notice = "passkey_added"
	NoticePasskeyRemoved    Notice = "passkey_removed"
	NoticePasskeysElsewhere Notice = "passkeys_not_demanded"
	NoticeRecoveryRenewed   Notice = "recovery_codes_renewed"
	NoticeRecoveryUsed      Notice = "recovery_code_used"
	NoticeFactorsReset      Notice = "factors_reset"
	NoticeDisabled          Notice = "account_disabled"
)

// NoticeLifetime is how long a notice is worth delivering.
const NoticeLifetime = 3 * 24 * time.Hour

// Notify tells the owner of an account that something has happened to it, in the transaction in which it happens:
// neither the notice nor the change can exist without the other. a is the account as it was before, since a notice of a
// new address goes to the old one. r is nil when the operator did it; detail is a fact such as the name of a passkey.
// Without a mail server it does nothing.
func (l *Letters) Notify(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, kind Notice, detail string) error {
	if l.Outbox == nil {
		return nil
	}
	letter := NoticeLetter(kind, l.OccasionOf(r), detail, l.entrance.Base)
	letter.To = a.Email
	return l.Outbox.Add(ctx, q, a.ID, string(kind), letter, NoticeLifetime)
}

// Occasion says when and from where something was done. Address and Agent are empty when the operator did it.
type Occasion struct {
	When    time.Time `json:"when"`
	Address string    `json:"address,omitempty"`
	Agent   string    `json:"agent,omitempty"`
}

// OccasionOf returns the Occasion of a request; r is nil when the operator acts.
func (l *Letters) OccasionOf(r *or3cloud.Request) Occasion {
	by := Occasion{When: l.now()}
	if r != nil {
		by.Address, by.Agent = r.ClientIP, guard.UserAgent(r).String
	}
	return by
}

// facts returns an occasion as lines of a letter.
func (o Occasion) facts() []mail.Fact {
	facts := []mail.Fact{{Name: wordWhen, Value: o.When.UTC().Format(wordTimeFormat)}}
	if o.Address == "" {
		return append(facts, mail.Fact{Name: wordBy, Value: wordOperator})
	}
	if o.Agent != "" {
		facts = append(facts, mail.Fact{Name: wordDevice, Value: DeviceOf(o.Agent).String()})
	}
	return append(facts, mail.Fact{Name: wordAddress, Value: o.Address})
}

// TellOfSignIn tells the owner about a sign-in from an unknown browser. It is called before the new session
// is stored; a browser is known by its earlier sessions, including ended ones until they expire.
func (l *Letters) TellOfSignIn(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) error {
	if l.Outbox == nil {
		return nil
	}
	known, err := q.KnownDevices(ctx, a.ID)
	if err != nil {
		return err
	}
	now := Network(r.ClientIP) + " " + DeviceOf(guard.UserAgent(r).String).String()
	for _, k := range known {
		if Network(k.IpAddress.String)+" "+DeviceOf(k.UserAgent.String).String() == now {
			return nil
		}
	}
	return l.Notify(ctx, q, r, a, NoticeNewSignIn, "")
}

// The owner is told after this many failed sign-ins within this time.
const (
	ManyFailures   = 10
	failuresWithin = time.Hour
)

// TellOfFailures tells the owner, once a day at most, when many sign-ins have failed. It is called after the failure
// was recorded.
func (l *Letters) TellOfFailures(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) error {
	if l.Outbox == nil {
		return nil
	}
	n, err := q.CountEventsSince(ctx, db.CountEventsSinceParams{
		AccountID: a.ID, Kind: string(guard.EventSignInFailed), After: l.now().Add(-failuresWithin).UnixMilli(),
		Latest: store.Latest(l.now()),
	})
	if err != nil || n < ManyFailures {
		return err
	}
	if !l.guard.Limits.Take("notice:failures:"+a.ID, ratelimit.Limit{Max: 1, Window: guard.LongestWindow}).Allowed {
		return nil
	}
	return l.Notify(ctx, q, r, a, NoticeSignInFailures, "")
}
