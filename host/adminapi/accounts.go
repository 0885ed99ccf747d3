package adminapi

import (
	"net/http"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/census"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/operator"
)

// accountsAPI are the endpoints of the accounts, for our own pages.
type accountsAPI struct{ *API }

func (a accountsAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "accounts", proof: readOnly, handle: a.list},
		{method: http.MethodPost, path: "accounts", action: audit.AccountCreate, handle: a.create},
		{method: http.MethodGet, path: "accounts/:id", proof: readOnly, handle: describe(a, operator.DescribeAccount)},
		{method: http.MethodGet, path: "accounts/:id/deletion", proof: readOnly, handle: describe(a, operator.PreviewDeletion)},
		{method: http.MethodPost, path: "accounts/:id/disable", action: audit.AccountDisable, handle: a.others(change(a, operator.DisableAccount))},
		{method: http.MethodPost, path: "accounts/:id/enable", action: audit.AccountEnable, handle: change(a, operator.EnableAccount)},
		{method: http.MethodPost, path: "accounts/:id/reset-link", action: audit.AccountResetLink, handle: change(a, operator.ResetLink)},
		{method: http.MethodPost, path: "accounts/:id/reset-factors", action: audit.AccountResetFactors, handle: change(a, operator.ResetFactors)},
		{method: http.MethodPost, path: "accounts/:id/excuse-factor", action: audit.AccountExcuseFactor, handle: a.excuse},
		{method: http.MethodPost, path: "accounts/:id/revoke-sessions", action: audit.AccountRevokeSessions, handle: a.revoke},
		{method: http.MethodPost, path: "accounts/:id/delete", action: audit.AccountDelete, handle: a.others(change(a, operator.DeleteAccount))},
		{method: http.MethodGet, path: "signed-in", proof: readOnly, handle: a.signedIn},
	}
}

type handler func(http.ResponseWriter, *http.Request, *Caller) error

// page reads what every list is asked with.
func page(r *http.Request) (operator.PageQuery, error) {
	limit, err := number(r, "limit", 50, 1, census.MaxPage)
	return operator.PageQuery{Cursor: r.URL.Query().Get("cursor"), Limit: limit}, err
}

// answer writes what came of a use case.
func answer(w http.ResponseWriter, out any, err error) error {
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a accountsAPI) list(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	query, err := page(r)
	if err != nil {
		return err
	}
	out, err := operator.SearchAccounts.Do(r.Context(), a.opt.Desk, operator.AccountSearch{Text: r.URL.Query().Get("search"), PageQuery: query})
	return answer(w, out, err)
}

func (a accountsAPI) signedIn(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	query, err := page(r)
	if err != nil {
		return err
	}
	out, err := operator.ListSignedIn.Do(r.Context(), a.opt.Desk, query)
	return answer(w, out, err)
}

// create makes an account without a password, and the link with which its owner chooses one.
func (a accountsAPI) create(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		Email       string `json:"email"`
		DisplayName string `json:"displayName"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	c.Target.UserID = strings.TrimSpace(in.Email)
	out, err := operator.AddAccount.Do(r.Context(), a.opt.Desk, operator.NewAccount{Email: c.Target.UserID, DisplayName: in.DisplayName})
	return answer(w, out, err)
}

// describe makes a handler of what is asked about the account that the path names.
func describe[A any](a accountsAPI, what operator.UseCase[operator.AccountName, A]) handler {
	return func(w http.ResponseWriter, r *http.Request, _ *Caller) error {
		out, err := what.Do(r.Context(), a.opt.Desk, operator.AccountName{Name: r.PathValue("id")})
		return answer(w, out, err)
	}
}

// change makes a handler of what is done to the account that the path names.
func change[A any](a accountsAPI, what operator.UseCase[operator.AccountName, A]) handler {
	return func(w http.ResponseWriter, r *http.Request, c *Caller) error {
		c.Target.UserID = r.PathValue("id")
		out, err := what.Do(r.Context(), a.opt.Desk, operator.AccountName{Name: c.Target.UserID})
		return answer(w, out, err)
	}
}

// others keeps administrators from shutting themselves out.
func (a accountsAPI) others(next handler) handler {
	return func(w http.ResponseWriter, r *http.Request, c *Caller) error {
		account, err := operator.DescribeAccount.Do(r.Context(), a.opt.Desk, operator.AccountName{Name: r.PathValue("id")})
		if err == nil && !c.bySignIn && account.UserID == c.user() {
			c.Target.UserID = account.Account.ID
			err = or3cloud.Errorf(or3cloud.CodeConflict, "This is your own account. Another administrator can do this, or the command line.")
		}
		if err != nil {
			return err
		}
		return next(w, r, c)
	}
}

func (a accountsAPI) excuse(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		Seconds httpapi.Int `json:"seconds"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	c.Target.UserID = r.PathValue("id")
	out, err := operator.ExcuseFactor.Do(r.Context(), a.opt.Desk, operator.Excuse{Name: c.Target.UserID, Seconds: int64(in.Seconds)})
	return answer(w, out, err)
}

// revoke ends the session that the body names, or all of them.
func (a accountsAPI) revoke(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		Session string `json:"session"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	c.Target.UserID, c.Target.Object = r.PathValue("id"), in.Session
	out, err := operator.RevokeSessions.Do(r.Context(), a.opt.Desk, operator.Revocation{Name: c.Target.UserID, Session: in.Session})
	return answer(w, out, err)
}
