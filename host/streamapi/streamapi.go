// Package streamapi answers chats: it asks the model server and passes on what that streams, with the operator's key
// for members who may write, or with the user's own (contract, client-behaviour §10). No key and nothing of a chat is
// stored or logged.
package streamapi

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/host/internal/seats"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/jobs"
)

const (
	// maxBody is the largest chat, in bytes (contract, security-middleware §7). The memory for requests may allow less.
	maxBody = 128 << 20
	// checkEvery is how often the permission for the operator's key is checked again while an answer streams.
	checkEvery = time.Second
	// piece is how much of an answer is passed on at once, in bytes. Less is passed on as it arrives.
	piece = 16 << 10
	// comeBack is when a client that found no seat may try again.
	comeBack = 5 * time.Second
)

// Memory is what an answer under way takes besides its chat, in bytes, with its two connections.
const Memory = 96 << 10

// The limits of answers under way: a user's tabs and panes, and as many as a server can make without slowing down.
const (
	PerUser = 16
	Total   = 1000
)

// Host is what the endpoint needs of the host.
type Host interface {
	or3cloud.Front
	// Confirm checks again whether a session that Authorize has returned for r may still do p in its workspace.
	// Credentials that have expired since end nothing, unlike the session itself.
	Confirm(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error
}

// Options are what the endpoint depends on.
type Options struct {
	Host      Host
	Limits    *middleware.Limits
	Upstreams *completions.Upstreams
	Client    *completions.Client
	// OwnKeys lets users bring a key of their own, OwnKeysOnly requires it; both concern OpenRouter.
	OwnKeys, OwnKeysOnly bool
	// PerMinute and PerDay are how many chats a user may send; 0 means any number.
	PerMinute, PerDay int
	// Total is how many answers may be under way at once.
	Total int
	// Answers makes answers in the background; nil refuses them.
	Answers *answers.Engine
	// Completions are told of complete answers, for webhooks; nil if there are none.
	Completions Completions
	Log         *slog.Logger
}

// Completions are told that an answer is complete.
type Completions interface {
	ReportCompletion(ctx context.Context, m or3cloud.CompletedMessage) error
}

// API streams answers.
type API struct {
	opt   Options
	seats *seats.Seats
}

// New returns the API.
func New(o Options) *API {
	return &API{opt: o, seats: seats.New(seats.Bounds{PerOwner: PerUser, Total: o.Total})}
}

// Routes returns the endpoint.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{{
		Method: http.MethodPost, Path: "/api/openrouter/stream", MaxBody: maxBody, Handle: a.stream,
		Anonymous: func(r *http.Request) bool { return a.ownKey(r) != "" },
	}}
}

// ownKey returns the key that a user has sent along, if it may be used; "" if there is none.
func (a *API) ownKey(r *http.Request) string {
	if !a.opt.OwnKeys && !a.opt.OwnKeysOnly {
		return ""
	}
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		bearer = ""
	}
	return cmp.Or(strings.TrimSpace(r.Header.Get("x-or3-openrouter-key")), strings.TrimSpace(bearer))
}

// stream answers one chat. Everything is decided when all of it has arrived.
func (a *API) stream(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	// This header makes the newest client take a 404 for the model server's answer, and not for a missing route.
	w.Header().Set("X-OR3-Stream-Route", "1")
	asked, err := read(r)
	switch {
	case errors.Is(err, completions.ErrTools):
		return httpapi.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "Invalid tools"})
	case or3cloud.CodeOf(err) == or3cloud.CodeInvalid, errors.Is(err, completions.ErrUnreadable):
		return refuse(w, http.StatusBadRequest, "Invalid request body", 0)
	case err != nil:
		return err
	case asked.Background:
		return a.begin(w, r, asked)
	}
	to, model := a.opt.Upstreams.Of(asked.Model)
	key, lent, missing := a.key(r, to)
	if missing != "" {
		return refuse(w, http.StatusBadRequest, missing, 0)
	}
	s, err := a.opt.Host.Session(r)
	if err != nil {
		return err
	}
	source := "personal"
	if lent {
		source = "server"
		if s, err = a.borrow(r, s); err != nil {
			if status, text := a.notLent(err); status != 0 {
				return refuse(w, status, text, 0)
			}
			return err
		}
	}
	w.Header().Set("X-OR3-Credential-Source", source)
	who := ratelimit.AddressPrefix + ratelimit.Network(a.opt.Host.ClientIP(r))
	if s.Authenticated {
		who = "user:" + s.User.ID
	}
	leave, err := a.seats.Take(who)
	if err != nil {
		return refuse(w, http.StatusServiceUnavailable, "Server busy, try again later", comeBack)
	}
	defer leave()
	budget, refused := a.take(who)
	if refused != nil {
		budget.tell(w)
		return refuse(w, http.StatusTooManyRequests, refused.text, refused.wait)
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	var watch sync.WaitGroup
	if lent {
		watch.Go(func() { a.watch(ctx, cancel, r, s) })
	}
	defer watch.Wait()
	defer cancel(nil)
	x := exchange{w: w, r: r, to: to, key: key, lent: lent, streamed: asked.Stream, budget: budget}
	call := completions.Call{To: to, Key: key, Referer: referer(r), Body: asked.Body(model)}
	message := messageOf(asked, s)
	asked = nil // and its text, which may be large
	answer, err := a.opt.Client.Send(ctx, call)
	if err != nil {
		return x.failed(err)
	}
	defer answer.Close()
	if call.Body.Release() {
		httpapi.RecordOf(r).Memory.Close()
	}
	err = x.handOn(answer)
	if x.complete {
		a.report(r, s, message)
	}
	return err
}

// messageOf returns what webhooks are told about an answer, if its client has said which message it is. It holds
// nothing of the text.
func messageOf(asked *completions.Request, s *or3cloud.SessionContext) (m or3cloud.CompletedMessage) {
	if s.Authenticated && isID(asked.ThreadID) && isID(asked.MessageID) && len(asked.Model) <= jobs.MaxName {
		m.WorkspaceID, m.ThreadID, m.MessageID = s.Workspace.ID, strings.Clone(asked.ThreadID), strings.Clone(asked.MessageID)
		m.ModelID = strings.Clone(asked.Model)
	}
	return m
}

// reporting is how long the end of an answer may wait for the store.
const reporting = time.Second

// report tells webhooks that an answer is complete, if its user may write it.
func (a *API) report(r *http.Request, s *or3cloud.SessionContext, m or3cloud.CompletedMessage) {
	if a.opt.Completions == nil || m.MessageID == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), reporting) // the client that has the answer may be gone
	defer cancel()
	err := a.opt.Host.Confirm(r.WithContext(ctx), s, or3cloud.PermWorkspaceWrite)
	if err == nil {
		err = a.opt.Completions.ReportCompletion(ctx, m)
	}
	if code := or3cloud.CodeOf(err); err != nil && code != or3cloud.CodeForbidden && code != or3cloud.CodeUnauthenticated {
		a.opt.Log.Warn("webhooks were not told about an answer", "error", err)
	}
}

// read reads a chat.
func read(r *http.Request) (*completions.Request, error) {
	text, err := httpapi.ReadBody(r)
	if err != nil {
		return nil, httpapi.BodyError(r, err, "Invalid request body")
	}
	return completions.Read(text)
}

// key returns the key for an upstream, and whether it is the operator's. The servers that the operator has named get no
// key of a user: it is one for OpenRouter.
func (a *API) key(r *http.Request, to completions.Upstream) (key string, lent bool, missing string) {
	own := a.ownKey(r)
	switch {
	case to.Name != "":
		return to.Key, true, ""
	case own != "":
		return own, false, ""
	case a.opt.OwnKeysOnly:
		return "", false, "User OpenRouter API key required"
	case to.Key == "":
		return "", false, "Missing OpenRouter API key"
	}
	return to.Key, true, ""
}

// borrow admits users who may use the operator's key: members who may write in their active workspace.
func (a *API) borrow(r *http.Request, s *or3cloud.SessionContext) (*or3cloud.SessionContext, error) {
	return middleware.ActiveMember(a.opt.Host, r, s, or3cloud.PermWorkspaceWrite)
}

// notLent says why someone may not use the operator's key; 0 if the reason is not who they are. Clients show the text.
func (a *API) notLent(err error) (status int, text string) {
	switch or3cloud.CodeOf(err) {
	case or3cloud.CodeUnauthenticated:
		status, text = http.StatusUnauthorized, "Sign in to chat with this server's key"
	case or3cloud.CodeForbidden:
		status, text = http.StatusForbidden, "You can only read in this workspace, and not chat with this server's key"
	default:
		return 0, ""
	}
	if a.opt.OwnKeys {
		text += ", or connect an OpenRouter key of your own"
	}
	return status, text
}

// watch ends ctx when the permission for the operator's key ends. A store that cannot be read does not end it: an
// answer that is paid for is worth more than a second in which no one can lose a permission either.
func (a *API) watch(ctx context.Context, cancel context.CancelCauseFunc, r *http.Request, s *or3cloud.SessionContext) {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.opt.Host.Confirm(r.WithContext(ctx), s, or3cloud.PermWorkspaceWrite)
		if code := or3cloud.CodeOf(err); code == or3cloud.CodeUnauthenticated || code == or3cloud.CodeForbidden {
			cancel(err)
			return
		}
	}
}

// referer is the origin of the client's pages.
func referer(r *http.Request) string {
	id := httpapi.IdentityOf(r)
	if id.Host == "" {
		return ""
	}
	if id.HTTPS {
		return "https://" + id.Host
	}
	return "http://" + id.Host
}

// refuse answers with a text. The client shows it as it is.
func refuse(w http.ResponseWriter, status int, text string, wait time.Duration) error {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	if wait > 0 {
		h.Set("Retry-After", strconv.FormatInt(httpapi.Seconds(wait), 10))
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // a client that has disconnected is not our error
	return nil
}
