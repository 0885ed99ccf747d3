package basicauth

import (
	"log/slog"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// pages has the endpoints of the pages on which people prove again who they are, and set up how.
type pages struct {
	log      *slog.Logger
	now      func() time.Time
	store    *store.Store
	onetime  *onetime.Tokens
	guard    *guard.Guard
	letters  *letters.Letters
	sessions *sessions.Sessions
	factors  *factors.Factors
	stepUp   *factors.StepUp
}

// reauthenticate is POST /api/basic-auth/reauthenticate: a signed-in person proves who they are again, with the
// password or a passkey, before a sensitive change. A wrong answer leaves the session as it is.
func (k *pages) reauthenticate(c call) error {
	who, f, err := asked(c, k.stepUp.SignedIn)
	if err != nil {
		return err
	}
	prove := k.proveByPasskey
	if _, given := f["password"]; given {
		prove = k.proveByPassword
	}
	ok, err := prove(c, who, f)
	if err != nil {
		return err
	}
	if !ok {
		k.log.Warn("reauthentication failed", "address", c.ClientIP, "email", guard.RedactEmail(who.Email))
		return refuse.Credentials()
	}
	// If someone has a copy of the refresh token, that shows when either of the two uses it (ASVS 5.0, 7.2.4).
	g, err := k.sessions.Renew(c.Context(), c.Request, sessions.Values(c.Request.Request, sessions.RefreshCookie))
	if err != nil {
		return err
	}
	if g != nil {
		k.sessions.SetCookies(c.Request, g)
	}
	return c.answer(true)
}

func (k *pages) proveByPassword(c call, who factors.Actor, f form.Fields) (bool, error) {
	password, ok := f.Text("password", 1, form.MaxPassword)
	if !ok {
		return false, refuse.Invalid()
	}
	if ok, err := k.guard.Guess(c.Context(), c.Request, who.Email, who.PasswordHash, password); err != nil || !ok {
		return false, err
	}
	return true, k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error { return k.stepUp.NoteProof(c.Request, q, who) })
}

func (k *pages) proveByPasskey(c call, who factors.Actor, f form.Fields) (ok bool, err error) {
	challenge, credential, err := f.Ceremony()
	if err != nil {
		return false, err
	}
	err = k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error {
		owner, err := k.factors.FinishCeremony(c.Context(), q, c.Request, challenge, credential)
		if err != nil || owner == nil || owner.ID != who.ID {
			return err
		}
		ok = true
		return k.stepUp.NoteProof(c.Request, q, who)
	})
	return ok, err
}
