package basicauth

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/letters"
)

// actionRetryMail is the admin action that tries the mail that waits again.
const actionRetryMail = "auth.retry-mail"

// admin shows the provider to administrators (contract, workspaces-and-admin §8).
type admin struct {
	opts   options
	outbox *letters.Outbox // nil without a mail server
}

var _ or3cloud.AdminActionRunner = admin{}

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
