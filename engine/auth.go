package engine

import (
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// BrowserRequest is what an auth provider may know of a request that a browser sent to the host. Its address is that of
// the Caller.
type BrowserRequest struct {
	// Method is that of the request; the default is GET.
	Method string `json:"method,omitempty"`
	// URL is path and query.
	URL string `json:"url"`
	// Headers are by name, in any case; the values of a repeated one are joined as HTTP does (RFC 9110 §5.3; for
	// cookies RFC 6265 §4.2).
	Headers map[string]string `json:"headers"`
	// AnswerBegun says that cookies can no longer reach the browser. No credential is renewed then.
	AnswerBegun bool `json:"answerBegun,omitempty"`
}

// request returns the request in the form that a provider gets, and the header in which the provider sets cookies; nil
// if there is none.
func (b BrowserRequest) request(c call) (*or3cloud.Request, http.Header, error) {
	verb := b.Method
	if verb == "" {
		verb = http.MethodGet
	}
	if !strings.HasPrefix(b.URL, "/") {
		return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "The browser's url must begin with a slash")
	}
	host := c.caller.Host
	if host == "" {
		host = "localhost"
	}
	r, err := http.NewRequestWithContext(c, verb, "http://localhost"+b.URL, nil)
	if err != nil {
		return nil, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "The browser's request is not an HTTP request")
	}
	r.Host, r.RequestURI = host, b.URL
	for name, value := range b.Headers {
		r.Header.Set(name, value)
	}
	ip := c.caller.ClientIP
	if ip == "" {
		ip = "unknown"
	}
	r = httpapi.WithIdentity(r, httpapi.Identity{ClientIP: ip, Host: strings.ToLower(c.caller.Host), HTTPS: c.caller.HTTPS, Forwarded: true})
	var answer http.Header
	if !b.AnswerBegun {
		answer = http.Header{}
	}
	return &or3cloud.Request{Request: r, ClientIP: ip, ResponseHeader: answer}, answer, nil
}

// ProvenSession is or3cloud.ProviderSession.
type ProvenSession struct {
	Provider    string `json:"provider"`
	UserID      string `json:"userId"`
	SessionID   string `json:"sessionId,omitempty"`
	Email       string `json:"email,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// ExpiresAt is in Unix milliseconds.
	ExpiresAt int64 `json:"expiresAt"`
	// Admitted says that no registration mode keeps the account out.
	Admitted bool `json:"admitted,omitempty"`
}

func provenSession(s *or3cloud.ProviderSession) *ProvenSession {
	if s == nil {
		return nil
	}
	return &ProvenSession{
		Provider: s.Provider, UserID: s.UserID, SessionID: s.SessionID, Email: s.Email, DisplayName: s.DisplayName,
		ExpiresAt: s.ExpiresAt.UnixMilli(), Admitted: s.Admitted,
	}
}

type (
	sessionRequest struct {
		Request BrowserRequest `json:"request"`
	}
	sessionAnswer struct {
		// Session is null for a browser that is not signed in.
		Session *ProvenSession `json:"session"`
		// SetCookies must be added to the answer to the browser.
		SetCookies []string `json:"setCookies"`
		// ReusableUntil is until when the same Cookie header proves the same, in Unix milliseconds, as long as
		// auth/revocations is watched and reports nothing that concerns it; absent if each request has to be resolved.
		ReusableUntil int64 `json:"reusableUntil,omitempty"`
	}
	checkSessionRequest struct {
		Session ProvenSession `json:"session"`
	}
	checkSessionAnswer struct {
		Live bool `json:"live"`
	}
	tokenRequest struct {
		Request    BrowserRequest `json:"request"`
		ProviderID string         `json:"providerId"`
		Template   string         `json:"template,omitempty"`
	}
	tokenAnswer struct {
		// Token is null if there is none.
		Token      *string  `json:"token"`
		SetCookies []string `json:"setCookies"`
	}
	// revocation is or3cloud.Revocation.
	revocation struct {
		UserID    string `json:"userId,omitempty"`
		SessionID string `json:"sessionId,omitempty"`
	}
	setupAnswer struct {
		// Fragments are what follows # in one-time links that create the first account.
		Fragments []string `json:"fragments"`
	}
)

func authMethods() []method {
	auth := by[or3cloud.AuthProvider](or3cloud.ProviderAuth)
	return []method{
		does("auth/session", "AuthProvider.getSession: who sent a request. The first one of an account may bring an invite, which is accepted.", auth,
			func(c call, auth or3cloud.AuthProvider, in sessionRequest) (out sessionAnswer, err error) {
				r, answer, err := in.Request.request(c)
				if err != nil {
					return out, err
				}
				s, err := auth.GetSession(c, r)
				if err == nil && s != nil {
					err = c.deliverInvite(r, s)
				}
				if err != nil {
					return out, identityError(err)
				}
				out = sessionAnswer{Session: provenSession(s), SetCookies: cookies(answer)}
				_, watched := auth.(or3cloud.RevocationWatcher)
				if watched && s != nil && len(out.SetCookies) == 0 && s.ExpiresAt.After(c.engine.now()) {
					out.ReusableUntil = s.ExpiresAt.UnixMilli()
				}
				return out, nil
			}),
		does("auth/check-session", "Whether a session that was proven is still alive.", by[or3cloud.SessionChecker](or3cloud.ProviderAuth),
			func(c call, checker or3cloud.SessionChecker, in checkSessionRequest) (out checkSessionAnswer, err error) {
				s := in.Session
				out.Live, err = checker.CheckSession(c, &or3cloud.ProviderSession{
					Provider: s.Provider, UserID: s.UserID, SessionID: s.SessionID, ExpiresAt: time.UnixMilli(s.ExpiresAt),
				})
				if err != nil {
					return out, identityError(err)
				}
				return out, nil
			}),
		watchRevocations(),
		does("auth/token", "ProviderTokenBroker.getProviderToken.", by[or3cloud.ProviderTokenBroker](or3cloud.ProviderAuth),
			func(c call, broker or3cloud.ProviderTokenBroker, in tokenRequest) (out tokenAnswer, err error) {
				r, answer, err := in.Request.request(c)
				if err != nil {
					return out, err
				}
				token, err := broker.GetProviderToken(c, r, or3cloud.ProviderTokenRequest{ProviderID: in.ProviderID, Template: in.Template})
				if err != nil {
					return out, identityError(err)
				}
				if token != "" {
					out.Token = &token
				}
				out.SetCookies = cookies(answer)
				return out, nil
			}),
		does("auth/setup", "One-time links for the first account; none if there are accounts.", auth,
			func(c call, _ or3cloud.AuthProvider, _ nothing) (out setupAnswer, err error) {
				out.Fragments, err = c.engine.instance.SetupLinks(c)
				if out.Fragments == nil {
					out.Fragments = []string{}
				}
				return out, err
			}),
	}
}

// deliverInvite accepts the invite that came with the first request of an account (contract, auth §9): registration
// leaves it in a cookie, which is deleted once it has been used. It also creates the user of a founder, so that hosts
// need not know about founders.
func (c call) deliverInvite(r *or3cloud.Request, s *or3cloud.ProviderSession) error {
	token := httpapi.InviteToken(r.Request)
	if token == "" && !s.Founder {
		return nil
	}
	used, err := c.engine.instance.Providers().Invites.Deliver(c, s.Identity(), token)
	if used && r.ResponseHeader != nil {
		r.ResponseHeader.Add("Set-Cookie", httpapi.InviteCookie(r.Request, "", -1).String())
	}
	return err
}

func cookies(answer http.Header) []string {
	return append([]string{}, answer.Values("Set-Cookie")...)
}

// identityError keeps a refusal that the provider has worded and makes everything else a 503: no failure may look like
// a sign-out.
func identityError(err error) error {
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeUnauthenticated, or3cloud.CodeForbidden, or3cloud.CodeRateLimited, or3cloud.CodeUnavailable, or3cloud.CodeInvalid:
		return err
	}
	return or3cloud.Unavailable(err, "Identity provider temporarily unavailable", time.Second)
}

// watchRevocations streams what may no longer be believed. The first event says that the watch has begun: what was
// proven after it can be remembered.
func watchRevocations() method {
	m := stream[revocation]("auth/revocations", "What can no longer be relied on of what auth/session has said. "+
		"The first event is named \"watching\", the others \"revoked\"; when the stream ends, nothing that is remembered can be relied on.")
	m.serve = func(e *Engine, p *instance.Providers) *or3cloud.Route {
		watcher := instance.Ability[or3cloud.RevocationWatcher](p, or3cloud.ProviderAuth)
		if watcher == nil {
			return nil
		}
		return &or3cloud.Route{Handle: func(w http.ResponseWriter, r *http.Request) error {
			revoked, err := watcher.WatchRevocations(r.Context())
			if err != nil {
				return err
			}
			out := newEvents(w)
			defer out.Close()
			if out.tell("watching", nothing{}) != nil {
				return nil
			}
			follow(r.Context(), out, e.instance.Closing(), revoked, func(v or3cloud.Revocation) error {
				return out.tell("revoked", revocation{UserID: v.UserID, SessionID: v.SessionID})
			})
			return nil
		}}
	}
	return m
}
