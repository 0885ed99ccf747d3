package basicauth

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/basicauth/internal/letters"
)

// actionRetryMail is the admin action that tries the mail that waits again.
const actionRetryMail = "auth.retry-mail"

// admin shows the provider to administrators (contract, workspaces-and-admin §8).
type admin struct {
	opts   options
	outbox *letters.Outbox // nil without a mail server
}

var (
	_ or3cloud.AdminActionRunner = admin{}
	_ census.Mail                = admin{}
)

// GetStatus implements or3cloud.ProviderAdminAdapter.
func (a admin) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	s := or3cloud.AdminStatus{
		Details: map[string]any{
			"dbPath":                  a.opts.dbPath,
			"jwtSecretConfigured":     a.opts.jwtSecretSet,
			"refreshSecretConfigured": a.opts.refreshSecretSet,
			"bootstrapConfigured":     a.opts.bootstrapEmail != "" && a.opts.bootstrapPassword != "",
			"accessTtlSeconds":        int64(a.opts.accessTTL.Seconds()),
			"refreshTtlSeconds":       int64(a.opts.refreshTTL.Seconds()),
		},
		Warnings: []or3cloud.AdminWarning{},
		Actions:  []or3cloud.AdminAction{},
	}
	if a.outbox != nil {
		s.Actions = append(s.Actions, or3cloud.AdminAction{
			ID: actionRetryMail, Label: "Try failed mail again",
			Description: "Hands all mail that waits for another try to the mail server now, as after a repair of its configuration.",
		})
	}
	for _, w := range a.opts.warnings {
		s.Warnings = append(s.Warnings, or3cloud.AdminWarning{Level: or3cloud.AdminLevelWarning, Message: w.String()})
	}
	return s, nil
}

// MailState implements census.Mail.
func (a admin) MailState(ctx context.Context) (census.MailState, error) { return a.outbox.State(ctx) }

// RunAction implements or3cloud.AdminActionRunner.
func (a admin) RunAction(ctx context.Context, _, actionID string, _ map[string]any) (any, error) {
	if actionID != actionRetryMail || a.outbox == nil {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown action")
	}
	if err := a.outbox.Retry(ctx); err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "action": actionID}, nil
}

var _ metric.Reporter = (*provider)(nil)

// Metrics implements metric.Reporter.
func (p *provider) Metrics(ctx context.Context) ([]metric.Family, error) {
	signIns := metric.By(metric.Total, "sign_ins_total", "Sign-ins, by what became of them.", "result")
	s := &p.guard.SignIns
	signIns.Add(s.Succeeded.Value(), "succeeded")
	signIns.Add(s.WrongPassword.Value(), "wrong_password")
	signIns.Add(s.WrongFactor.Value(), "wrong_second_factor")
	signIns.Add(s.Limited.Value(), "limited")
	waiting, working, slots := p.guard.Passwords.Line()
	all := []metric.Family{
		signIns,
		metric.Of(metric.Gauge, "password_hashes_waiting", "Sign-ins that wait for a processor to compare a password.", float64(waiting)),
		metric.Of(metric.Gauge, "password_hashes_working", "Passwords that are worked on.", float64(working)),
		metric.Of(metric.Gauge, "password_hash_slots", "How many are worked on at once at most.", float64(slots)),
	}
	counts, err := p.CountAccounts(ctx)
	if err != nil {
		return all, err
	}
	all = append(all,
		metric.Of(metric.Gauge, "accounts", "Accounts, those that are disabled among them.", float64(counts.Accounts)),
		metric.Of(metric.Gauge, "accounts_disabled", "Accounts that are disabled.", float64(counts.Disabled)),
		metric.Of(metric.Gauge, "sessions", "Browsers that are signed in.", float64(counts.Sessions)),
	)
	if p.outbox == nil {
		return all, nil
	}
	m, err := p.store.Read.MeasureMail(ctx)
	if err != nil {
		return all, err
	}
	age := time.Duration(0)
	if m.OldestMail > 0 {
		age = max(p.now().Sub(time.UnixMilli(m.OldestMail)), 0)
	}
	tries := metric.By(metric.Total, "mail_attempts_total", "Letters that were handed to the mail server, by what it made of them.", "result")
	tries.Add(p.outbox.Delivered.Value(), "delivered")
	tries.Add(p.outbox.Refused.Value(), "refused")
	tries.Add(p.outbox.Failed.Value(), "failed")
	return append(all, tries,
		metric.Of(metric.Gauge, "mail_waiting", "Letters in the outbox.", float64(m.Mail)),
		metric.Of(metric.Gauge, "mail_retrying", "Letters in the outbox that were tried before.", float64(m.RetriedMail)),
		metric.Of(metric.Gauge, "mail_oldest_age_seconds", "How long the oldest letter of the outbox has waited.", age.Seconds()),
	), nil
}
