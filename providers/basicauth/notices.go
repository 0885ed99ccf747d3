package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// noticeKind is something about which the owner of an account is told by mail.
type noticeKind string

// The notices. What they say is in words.go.
const (
	noticeNewSignIn         noticeKind = "new_sign_in"
	noticeSignInFailures    noticeKind = "sign_in_failures"
	noticePasswordChanged   noticeKind = "password_changed"
	noticePasswordReset     noticeKind = "password_reset"
	noticeEmailAsked        noticeKind = "email_change_requested"
	noticeEmailChanged      noticeKind = "email_changed"
	noticeTOTPEnabled       noticeKind = "totp_enabled"
	noticeTOTPRemoved       noticeKind = "totp_removed"
	noticePasskeyAdded      noticeKind = "passkey_added"
	noticePasskeyRemoved    noticeKind = "passkey_removed"
	noticePasskeysElsewhere noticeKind = "passkeys_not_demanded"
	noticeRecoveryRenewed   noticeKind = "recovery_codes_renewed"
	noticeRecoveryUsed      noticeKind = "recovery_code_used"
	noticeFactorsReset      noticeKind = "factors_reset"
	noticeDisabled          noticeKind = "account_disabled"
)

// noticeLifetime is how long a notice is worth delivering.
const noticeLifetime = 3 * 24 * time.Hour

// notify tells the owner of an account that something has happened to it, in the transaction in which it happens: a notice
// without the change can go out as little as a change without the notice. a is the account as it was before, since a notice of
// a new address goes to the old one. r is nil when the operator did it; detail is a fact such as the name of a passkey. Without
// a mail server it does nothing.
func (p *provider) notify(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, kind noticeKind, detail string) error {
	if p.outbox == nil {
		return nil
	}
	letter := noticeLetter(kind, p.occasionOf(r), detail, p.opts.publicURL)
	letter.To = a.Email
	return p.outbox.add(ctx, q, a.ID, string(kind), letter, noticeLifetime)
}

// occasion says when and from where something was done. Address and Agent are empty when the operator did it.
type occasion struct {
	When    time.Time `json:"when"`
	Address string    `json:"address,omitempty"`
	Agent   string    `json:"agent,omitempty"`
}

// occasionOf is a request as an occasion; r is nil when the operator acts.
func (p *provider) occasionOf(r *or3cloud.Request) occasion {
	by := occasion{When: p.now()}
	if r != nil {
		by.Address, by.Agent = r.ClientIP, userAgent(r).String
	}
	return by
}

// facts is an occasion as lines of a letter.
func (o occasion) facts() []mail.Fact {
	facts := []mail.Fact{{Name: wordWhen, Value: o.When.UTC().Format(wordTimeFormat)}}
	if o.Address == "" {
		return append(facts, mail.Fact{Name: wordBy, Value: wordOperator})
	}
	if o.Agent != "" {
		facts = append(facts, mail.Fact{Name: wordDevice, Value: deviceOf(o.Agent).String()})
	}
	return append(facts, mail.Fact{Name: wordAddress, Value: o.Address})
}

// tellOfSignIn tells the owner of a sign-in from a browser that is not known yet. It is called before the new session is
// stored; the sessions of before, ended ones included until they expire, are what makes a browser known.
func (p *provider) tellOfSignIn(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) error {
	if p.outbox == nil {
		return nil
	}
	known, err := q.KnownDevices(ctx, a.ID)
	if err != nil {
		return err
	}
	now := network(r.ClientIP) + " " + deviceOf(userAgent(r).String).String()
	for _, k := range known {
		if network(k.IpAddress.String)+" "+deviceOf(k.UserAgent.String).String() == now {
			return nil
		}
	}
	return p.notify(ctx, q, r, a, noticeNewSignIn, "")
}

// The number of failed sign-ins within the time after which the owner is told.
const (
	manyFailures   = 10
	failuresWithin = time.Hour
)

// tellOfFailures tells the owner, once a day at most, when many sign-ins have failed. It is called after the failure was
// recorded.
func (p *provider) tellOfFailures(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) error {
	if p.outbox == nil {
		return nil
	}
	n, err := q.CountEventsSince(ctx, db.CountEventsSinceParams{
		AccountID: a.ID, Kind: string(eventSignInFailed), After: p.now().Add(-failuresWithin).UnixMilli(),
		Latest: store.Latest(p.now()),
	})
	if err != nil || n < manyFailures {
		return err
	}
	if !p.limits.Take("notice:failures:"+a.ID, ratelimit.Limit{Max: 1, Window: longestWindow}).Allowed {
		return nil
	}
	return p.notify(ctx, q, r, a, noticeSignInFailures, "")
}
