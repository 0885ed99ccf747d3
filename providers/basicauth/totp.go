package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// enrolTOTP is POST /api/basic-auth/totp/enrol. It makes a secret that takes effect once confirmTOTP has seen a code of
// it.
func (k *pages) enrolTOTP(c call) error {
	who, err := k.stepUp.RecentlyProven(c.Context(), c.Request)
	if err != nil {
		return err
	}
	key, sealed, err := k.factors.NewTOTP(who.Account())
	if err != nil {
		return err
	}
	err = k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error {
		n, err := q.EnrolTOTP(c.Context(), db.EnrolTOTPParams{
			AccountID: who.ID, Secret: sealed, SessionID: store.Optional(who.SessionID), Now: k.now().UnixMilli(),
		})
		if err == nil && n == 0 {
			err = refuse.With(or3cloud.CodeConflict, "already_enabled", "An authenticator app is already set up.", nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]string{"secret": key.Secret(), "uri": key.URL()})
}

// confirmTOTP is POST /api/basic-auth/totp/confirm: a code shows that the app has the secret.
func (k *pages) confirmTOTP(c call) error {
	who, f, err := asked(c, k.stepUp.RecentlyProven)
	if err != nil {
		return err
	}
	code, ok := f.Text("code", 1, form.MaxCode)
	if !ok {
		return refuse.Invalid()
	}
	var codes []string
	err = k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) (err error) {
		codes, err = k.factors.EnableTOTP(c.Context(), q, c.Request, who, code)
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(factorAdded{OK: true, RecoveryCodes: codes})
}

// factorAdded is the answer to a new factor; the codes come with the first one.
type factorAdded struct {
	OK            bool                   `json:"ok"`
	Passkey       *factors.PasskeyAnswer `json:"passkey,omitempty"`
	RecoveryCodes []string               `json:"recoveryCodes,omitempty"`
}

// removeTOTP is POST /api/basic-auth/totp/remove.
func (k *pages) removeTOTP(c call) error {
	who, err := k.stepUp.RecentlyProven(c.Context(), c.Request)
	if err != nil {
		return err
	}
	ctx := c.Context()
	err = k.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		n, err := q.DeleteTOTP(ctx, who.ID)
		if err != nil || n == 0 {
			return err
		}
		if err := k.factors.ForgetUselessCodes(ctx, q, who.ID); err != nil {
			return err
		}
		return k.letters.RecordAndNotify(ctx, q, c.Request, who.Account(), guard.EventTOTPRemoved, letters.NoticeTOTPRemoved, "")
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
