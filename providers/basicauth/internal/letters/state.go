package letters

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// The limits on what administrators see of mail.
const (
	shownMail = 100
	keptLost  = 200
)

// State reports the state of mail delivery; for nil, that there is no mail server.
func (o *Outbox) State(ctx context.Context) (census.MailState, error) {
	out := census.MailState{Waiting: []census.WaitingMail{}, Lost: []census.LostMail{}}
	if o == nil {
		return out, nil
	}
	out.Configured, out.Server, out.From = true, o.server, o.from
	var err error
	if out.WaitingCount, err = o.store.Read.CountMail(ctx, ResetRequest); err != nil {
		return out, store.Fault(err)
	}
	waiting, err := o.store.Read.WaitingMail(ctx, db.WaitingMailParams{Request: ResetRequest, Rows: shownMail})
	if err != nil {
		return out, store.Fault(err)
	}
	for _, r := range waiting {
		out.Waiting = append(out.Waiting, census.WaitingMail{
			ID: r.ID, Kind: r.Kind, AccountID: r.AccountID.String, Email: r.Email, CreatedAt: moment(r.CreatedAt), ExpiresAt: moment(r.ExpiresAt),
			Attempts: int(r.Attempts), NextAt: moment(r.NextAttemptAt), Fault: faultOf(r.FaultAt, r.FaultStep, r.FaultCode, r.Fault, r.FaultAdvice),
		})
	}
	lost, err := o.store.Read.LostMail(ctx)
	for _, r := range lost {
		l := r.LostMail
		out.Lost = append(out.Lost, census.LostMail{
			ID: l.ID, Kind: l.Kind, AccountID: l.AccountID.String, Email: r.Email, CreatedAt: moment(l.CreatedAt), LostAt: moment(l.LostAt),
			Attempts: int(l.Attempts), Reason: l.Reason, Fault: faultOf(l.FaultAt, l.FaultStep, l.FaultCode, l.Fault, l.FaultAdvice),
		})
	}
	return out, store.Fault(err)
}

func moment(ms int64) time.Time { return time.UnixMilli(ms).UTC() }

func faultOf(at sql.NullInt64, step sql.NullString, code sql.NullInt64, fault, advice sql.NullString) *census.MailFault {
	if !at.Valid {
		return nil
	}
	return &census.MailFault{At: moment(at.Int64), Step: step.String, Code: int(code.Int64), Fault: fault.String, Advice: advice.String}
}

// noteFault records with a letter why an attempt failed. The mail server's reply may contain the address of the
// recipient, so it is not stored: the step, the code and the advice say enough.
func (o *Outbox) noteFault(ctx context.Context, row *db.MailOutbox, sent error) {
	row.FaultAt = sql.NullInt64{Int64: o.now().UnixMilli(), Valid: true}
	row.Fault = store.Optional("The message could not be delivered.")
	var failed *mail.Error
	if errors.As(sent, &failed) {
		row.FaultStep, row.FaultAdvice = store.Optional(string(failed.Step)), store.Optional(failed.Advice)
		row.FaultCode = sql.NullInt64{Int64: int64(failed.Code), Valid: failed.Code != 0}
		row.Fault = store.Optional(failed.Summary())
	}
	err := o.store.Tx(ctx, func(q store.Queries) error {
		return q.NoteMailFault(ctx, db.NoteMailFaultParams{
			ID: row.ID, FaultAt: row.FaultAt, FaultStep: row.FaultStep, FaultCode: row.FaultCode, Fault: row.Fault, FaultAdvice: row.FaultAdvice,
		})
	})
	if err != nil && ctx.Err() == nil {
		o.log.Warn("mail: the reason for a failed delivery could not be recorded", "error", err)
	}
}

// lose records for administrators that mail was given up.
func (o *Outbox) lose(ctx context.Context, q store.Queries, reason string, rows ...db.MailOutbox) error {
	for _, r := range rows {
		if r.Kind == ResetRequest {
			continue
		}
		err := q.InsertLostMail(ctx, db.InsertLostMailParams{
			AccountID: r.AccountID, Kind: r.Kind, CreatedAt: r.CreatedAt, LostAt: o.now().UnixMilli(), Attempts: r.Attempts, Reason: reason,
			FaultAt: r.FaultAt, FaultStep: r.FaultStep, FaultCode: r.FaultCode, Fault: r.Fault, FaultAdvice: r.FaultAdvice,
		})
		if err != nil {
			return err
		}
	}
	if len(rows) == 0 {
		return nil
	}
	return q.TrimLostMail(ctx, keptLost)
}
