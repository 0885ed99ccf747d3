package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// renewRecoveryCodes is POST /api/basic-auth/recovery-codes.
func (k *pages) renewRecoveryCodes(c call) error {
	who, err := k.stepUp.RecentlyProven(c.Context(), c.Request)
	if err != nil {
		return err
	}
	var codes []string
	err = k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error {
		had, err := k.factors.Of(c.Context(), q, who.ID)
		if err != nil {
			return err
		}
		if !had.Any() {
			return refuse.With(or3cloud.CodeInvalid, "invalid_request", "Set up a second factor first.", nil)
		}
		if codes, err = k.factors.ReplaceRecoveryCodes(c.Context(), q, who.ID); err != nil {
			return err
		}
		return k.letters.RecordAndNotify(c.Context(), q, c.Request, who.Account(), guard.EventRecoveryRenewed, letters.NoticeRecoveryRenewed, "")
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"recoveryCodes": codes})
}
