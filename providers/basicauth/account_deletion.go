package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// showDeletion is GET /api/basic-auth/deletion.
func (s *self) showDeletion(c call) error {
	who, err := s.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	fates, err := s.accounts.Fates(c.Context(), who.ID)
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"workspaces": fates})
}

// deleteAccount is POST /api/basic-auth/delete-account. The user and everything they own go first, the account last: a
// crash in between leaves an account that can still sign in, as a user without anything, and be deleted again.
func (s *self) deleteAccount(c call) error {
	who, f, err := asked(c, s.stepUp.UnrestrictedAndProven)
	if err != nil {
		return err
	}
	if typed, ok := f.Text("email", 1, form.MaxEmail); !ok || form.NormalEmail(typed) != who.Email {
		return refuse.Field("invalid_email", "email", "Type the e-mail address of your account.")
	}
	err = s.accounts.RemoveAccount(c.Context(), func(q store.Queries) (db.Account, error) {
		now, err := s.stepUp.Still(c.Context(), q, who)
		return now.Account(), err
	})
	if or3cloud.CodeOf(err) == or3cloud.CodeConflict {
		return s.lastOwner(c, who.ID)
	}
	if err != nil {
		return err
	}
	s.sessions.ClearCookies(c.Request)
	return c.answer(true)
}

// lastOwner says for which workspaces someone else has to become an owner first.
func (s *self) lastOwner(c call, accountID string) error {
	fates, err := s.accounts.Fates(c.Context(), accountID)
	if err != nil {
		return err
	}
	blocked := []or3cloud.WorkspaceFate{}
	for _, w := range fates {
		if w.Fate == or3cloud.FateBlocked {
			blocked = append(blocked, w)
		}
	}
	return refuse.With(or3cloud.CodeConflict, "last_owner", "Others use workspaces that only you own. Make someone else an owner first.",
		map[string]any{"workspaces": blocked})
}
