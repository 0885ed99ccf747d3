package letters

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/sealed"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Outbox is the mail that is waiting for the mail server: rows of a table, so that they survive a restart and belong to
// the transaction of the event that they report, and one goroutine that delivers them.
type Outbox struct {
	store  *store.Store
	sealer *sealed.Sealer
	log    *slog.Logger
	now    func() time.Time
	Send   func(context.Context, mail.Letter) error
	// Resolve turns a request for a link into the letter with the link (accounts.ResolveReset).
	Resolve func(ctx context.Context, q store.Queries, sealed []byte) error
	// Delivered, Refused and Failed count the results of deliveries; those that failed are
	// retried.
	Delivered, Refused, Failed metric.Counter

	server, from string // what the mail server and the sender are called

	loop *background.Loop
	// pause is how long there is nothing to do, according to the last sweep.
	pause time.Duration
}

// ResetRequest is the kind of a row that is not a letter yet: someone typed an address into the form for a
// forgotten password. The row is written whether there is such an account or not.
const ResetRequest = "reset_request"

// NewOutbox returns the outbox, or nil if no mail server is configured.
func NewOutbox(smtp *mail.Config, st *store.Store, sealer *sealed.Sealer, log *slog.Logger, now func() time.Time, random io.Reader) *Outbox {
	if smtp == nil {
		return nil
	}
	return &Outbox{store: st, sealer: sealer, log: log, now: now, Send: mail.NewSender(smtp, now, random).Send, server: smtp.Server(), from: smtp.From()}
}

// Start begins to deliver. Like Close, it does nothing without a mail server.
func (o *Outbox) Start() {
	if o == nil {
		return
	}
	// It begins with everything that is waiting: the configuration may just have been fixed.
	begun := false
	o.loop = background.New(background.Task{ // sweeping adds letters, which wakes the loop
		Name: "the delivery of mail", Log: o.log,
		Run: func(ctx context.Context) error {
			if !begun {
				if err := o.makeDue(ctx); err != nil {
					return err
				}
				begun = true
			}
			return o.sweep(ctx)
		},
		Pause: func(err error) time.Duration {
			if err != nil {
				return faultPause
			}
			return o.pause
		},
	})
	o.loop.Begin()
}

// makeDue ends the pause of all waiting mail.
func (o *Outbox) makeDue(ctx context.Context) error {
	return o.store.Tx(ctx, func(q store.Queries) error { return q.MakeMailDue(ctx, o.now().UnixMilli()) })
}

// Retry starts to deliver everything that is waiting for another attempt. It does not wait for the end.
func (o *Outbox) Retry(ctx context.Context) error {
	if err := o.makeDue(ctx); err != nil {
		return err
	}
	o.Rouse()
	return nil
}

// Close stops the current delivery and waits for it. Undelivered mail stays.
func (o *Outbox) Close() {
	if o == nil {
		return
	}
	o.loop.Close()
}

// Add puts content, a mail.Letter or an accounts.ResetRequest, into the box, in the transaction of q.
func (o *Outbox) Add(ctx context.Context, q store.Queries, accountID, kind string, content any, lifetime time.Duration) error {
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	now := o.now()
	sealed, err := o.sealer.Seal(text, sealPlace(kind, now.UnixMilli()))
	if err != nil {
		return err
	}
	err = q.InsertMail(ctx, db.InsertMailParams{
		AccountID: store.Optional(accountID), Kind: kind, Sealed: sealed, Now: now.UnixMilli(), ExpiresAt: now.Add(lifetime).UnixMilli(),
	})
	if err != nil {
		return err
	}
	o.Rouse()
	keep := int64(LettersOfAKind)
	if accountID == "" {
		keep = LettersWithoutAccount
	}
	n, err := q.DeleteSurplusMail(ctx, db.DeleteSurplusMailParams{AccountID: store.Optional(accountID), Kind: kind, Keep: keep})
	if n > 0 {
		o.log.Warn("mail given up, too much mail of its kind is waiting", "kind", kind, "account", accountID, "letters", n)
	}
	return err
}

// How much mail of one kind may wait for a mail server that does not accept it, per account and without an account.
// The oldest is dropped, since newer ones say the same. No kind displaces another, so notices cannot be hidden.
const (
	LettersOfAKind        = 20
	LettersWithoutAccount = 1000
)

// sealPlace binds sealed content to its row.
func sealPlace(kind string, createdAt int64) string {
	return "mail " + kind + " " + strconv.FormatInt(createdAt, 10)
}

// Rouse wakes the goroutine. It may be called inside the transaction that inserts: the first thing that the
// goroutine does is a write transaction of its own, which waits for that one.
func (o *Outbox) Rouse() { o.loop.Wake() }

// The pauses of the goroutine: the longest wait for due mail, and the one after an error of the store or our own.
const (
	longestPause = 10 * time.Minute
	faultPause   = 30 * time.Second
)

// sweep delivers all mail that is due and finds out how long there is nothing to do.
func (o *Outbox) sweep(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := o.deliverNext(ctx)
		if err != nil {
			return err
		}
		if !found {
			break
		}
	}
	o.pause = longestPause
	next, err := o.store.Read.NextMailAttempt(ctx)
	if err == nil && next != 0 {
		o.pause = min(max(time.UnixMilli(next).Sub(o.now()), time.Second), longestPause)
	}
	return nil
}

// deliverNext handles one row that is due. Its next attempt is scheduled before the delivery, so that a crash during a
// delivery causes another attempt and never a lost letter; the letter may arrive twice.
func (o *Outbox) deliverNext(ctx context.Context) (found bool, err error) {
	var row db.MailOutbox
	var letter mail.Letter
	var deliver bool
	var expired []db.MailOutbox
	err = o.store.Tx(ctx, func(q store.Queries) error {
		now := o.now()
		if err := SettleMail(ctx, q, now); err != nil {
			return err
		}
		if expired, err = q.DeleteExpiredMail(ctx, now.UnixMilli()); err != nil {
			return err
		}
		if err := o.lose(ctx, q, census.MailExpired, expired...); err != nil {
			return err
		}
		if row, err = q.DueMail(ctx, now.UnixMilli()); store.Absent(err) {
			return nil
		} else if err != nil {
			return err
		}
		found = true
		content, err := o.sealer.Open(row.Sealed, sealPlace(row.Kind, row.CreatedAt))
		if err == nil && row.Kind != ResetRequest {
			err = json.Unmarshal(content, &letter)
		}
		if err != nil { // sealed with a key that was replaced: no one can read it any more
			o.log.Warn("mail: a message is unreadable and was dropped", "kind", row.Kind)
			return q.DeleteMail(ctx, row.ID)
		}
		if row.Kind == ResetRequest {
			return errors.Join(o.Resolve(ctx, q, content), q.DeleteMail(ctx, row.ID))
		}
		deliver = true
		return q.AttemptMail(ctx, db.AttemptMailParams{ID: row.ID, NextAttemptAt: now.Add(backOff(row.Attempts)).UnixMilli()})
	})
	if err != nil {
		return found, err
	}
	for _, e := range expired {
		o.log.Warn("mail given up, it is too old", "kind", e.Kind, "account", e.AccountID.String, "attempts", e.Attempts)
	}
	if !deliver {
		return found, nil
	}
	return true, o.deliver(ctx, row, letter)
}

// SettleMail corrects the times of mail that was written while the clock was ahead.
func SettleMail(ctx context.Context, q store.Queries, now time.Time) error {
	return q.SettleMail(ctx, db.SettleMailParams{
		Now: now.UnixMilli(), LatestAttempt: now.Add(LongestBackOff).UnixMilli(), LatestEnd: now.Add(NoticeLifetime).UnixMilli(),
	})
}

// LongestBackOff is the longest pause after an attempt.
const LongestBackOff = time.Hour

// backOff is the pause after an attempt: one minute, two, four and so on up to an hour.
func backOff(attempts int64) time.Duration {
	return min(time.Minute<<min(attempts, 10), LongestBackOff)
}

// deliver sends a letter to the mail server and removes it once the server has accepted or permanently refused it.
func (o *Outbox) deliver(ctx context.Context, row db.MailOutbox, l mail.Letter) error {
	sent := o.Send(ctx, l)
	if sent != nil && ctx.Err() != nil {
		return nil // we are closing; the next start tries again
	}
	if sent != nil {
		o.noteFault(ctx, &row, sent)
	}
	var failed *mail.Error
	switch {
	case sent == nil:
		o.Delivered.Add(1)
		o.log.Info("mail delivered", "kind", row.Kind, "account", row.AccountID.String, "attempt", row.Attempts+1)
	case errors.As(sent, &failed) && failed.Permanent:
		o.Refused.Add(1)
		o.log.Warn("mail refused", "kind", row.Kind, "account", row.AccountID.String, "step", string(failed.Step), "code", failed.Code)
	default:
		o.Failed.Add(1)
		// The error itself may repeat the recipient's address; "or3-cloud mail test" shows it.
		attrs := []any{"kind", row.Kind, "account", row.AccountID.String, "attempt", row.Attempts + 1}
		if failed != nil {
			attrs = append(attrs, "step", string(failed.Step), "code", failed.Code, "advice", failed.Advice)
		}
		o.log.Warn("mail not delivered, will try again", attrs...)
		return nil
	}
	// The letter was sent: not even a shutdown may leave it in the outbox, or it would be sent twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := o.store.Tx(ctx, func(q store.Queries) error {
		if sent != nil {
			row.Attempts++
			if err := o.lose(ctx, q, census.MailRefused, row); err != nil {
				return err
			}
		}
		return q.DeleteMail(ctx, row.ID)
	})
	if err != nil {
		return fmt.Errorf("remove delivered mail: %w", err)
	}
	return nil
}

// Link is a one-time link for a letter.
func (l *Letters) Link(fragment string) string { return l.entrance.Link(fragment) }
