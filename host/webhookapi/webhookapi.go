// Package webhookapi serves /api/webhooks, where members manage their own webhooks, and the equivalent of
// /api/admin/webhooks for administrators (contract, workspaces-and-admin §6, §11).
package webhookapi

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/webhook"
)

// maxLabel is the length of the longest label, in UTF-16 units.
const maxLabel = 100

const invalidRequest = "Invalid request"

// Options are what the endpoints depend on.
type Options struct {
	Host  or3cloud.Front
	Store or3cloud.WebhookStore
	// Engine sends tests, makes secrets and knows where deliveries may go.
	Engine *webhook.Engine
	// Most is how many webhooks a user, or all administrators, may have.
	Most int
	// Retention is how far back the log of deliveries goes.
	Retention time.Duration
	// Limits is nil where nothing is limited.
	Limits *middleware.Limits
	Now    func() time.Time
}

// API lets people manage their webhooks.
type API struct {
	opt Options
	people
}

// people are the owners of the webhooks.
type people interface {
	// come returns the sender of a request, and the workspace they are in.
	come(r *http.Request) (userID, workspaceID string, err error)
	// read refuses a sender who may not read the workspace of their webhook.
	read(r *http.Request, workspaceID string) error
	// events are those that their webhooks may name.
	events() []string
}

// New returns the API of members.
func New(o Options) *API { return &API{o, members{o.Host}} }

// NewAdmin returns the API of administrators. The server of its routes must have admitted them.
func NewAdmin(o Options) *API { return &API{o, administrators{}} }

// Routes returns the endpoints of members. A new webhook belongs to the active workspace; for an existing one, its own
// workspace counts.
func (a *API) Routes() []or3cloud.Route {
	return append(a.RoutesBelow("/api/webhooks"), or3cloud.Route{Method: http.MethodPost, Path: "/api/webhooks/disable-all", Handle: a.disableAll})
}

// RoutesBelow returns the endpoints below a path, without the one that disables all of a member's webhooks.
func (a *API) RoutesBelow(path string) []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodGet, Path: path, Handle: a.list},
		{Method: http.MethodPost, Path: path, Handle: func(w http.ResponseWriter, r *http.Request) error {
			_, err := a.Create(w, r)
			return err
		}},
		{Method: http.MethodPatch, Path: path + "/:id", Handle: a.update},
		{Method: http.MethodDelete, Path: path + "/:id", Handle: a.remove},
		{Method: http.MethodGet, Path: path + "/:id/logs", Buffer: 3 * or3cloud.LogBytes, Handle: a.logs}, // rows, texts and JSON
		{Method: http.MethodPost, Path: path + "/:id/test", Handle: a.test},
		{Method: http.MethodPost, Path: path + "/:id/toggle", Handle: a.toggle},
	}
}

// members are signed-in users who may read their own active workspace.
type members struct{ host or3cloud.Front }

func (m members) come(r *http.Request) (userID, workspaceID string, err error) {
	s, err := middleware.Member(m.host, r, or3cloud.PermWorkspaceRead)
	if err != nil {
		return "", "", err
	}
	return s.User.ID, s.Workspace.ID, nil
}

func (m members) read(r *http.Request, workspaceID string) error {
	_, err := m.host.Authorize(r, or3cloud.PermWorkspaceRead, workspaceID)
	return err
}

func (members) events() []string { return or3cloud.UserEvents[:] }

// administrators are those of the deployment, whom the guard of the administration has admitted.
type administrators struct{}

func (administrators) come(*http.Request) (userID, workspaceID string, err error) {
	return or3cloud.Administrators, "", nil
}

func (administrators) read(*http.Request, string) error { return nil }

func (administrators) events() []string { return adminevent.Names[:] }

// scopeOf is the scope of a user's webhooks, or of the administrators'.
func scopeOf(userID string) or3cloud.WebhookScope {
	if userID == or3cloud.Administrators {
		return or3cloud.WebhookAdmin
	}
	return or3cloud.WebhookUser
}

// own returns the webhook that a request names, if it belongs to the sender and they may read its workspace.
func (a *API) own(r *http.Request) (or3cloud.Webhook, error) {
	user, _, err := a.come(r)
	if err != nil {
		return or3cloud.Webhook{}, err
	}
	w, err := a.opt.Store.GetWebhook(r.Context(), r.PathValue("id"))
	if err != nil {
		return w, err
	}
	if w.Scope != scopeOf(user) || w.UserID != user {
		return w, or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	}
	return w, a.people.read(r, w.WorkspaceID)
}

// changeable is own for requests that change the webhook; they are counted.
func (a *API) changeable(r *http.Request) (or3cloud.Webhook, error) {
	w, err := a.own(r)
	if err == nil {
		err = a.limit(ratelimit.WebhookChange, w.UserID)
	}
	return w, err
}

func (a *API) limit(op ratelimit.Operation, userID string) error {
	if a.opt.Limits == nil {
		return nil
	}
	return a.opt.Limits.Take(op, userID)
}

// item is a webhook without its secret; times are in milliseconds.
type item struct {
	ID          string                 `json:"id"`
	Scope       or3cloud.WebhookScope  `json:"scope"`
	UserID      *string                `json:"user_id"`
	WorkspaceID *string                `json:"workspace_id"`
	URL         string                 `json:"url"`
	Label       string                 `json:"label"`
	Events      []string               `json:"events"`
	CustomHooks []string               `json:"custom_hooks"`
	Enabled     bool                   `json:"enabled"`
	Health      or3cloud.WebhookHealth `json:"health"`
	CreatedAt   int64                  `json:"created_at"`
	UpdatedAt   int64                  `json:"updated_at"`
}

func shown(w or3cloud.Webhook) item {
	out := item{
		ID: w.ID, Scope: w.Scope, WorkspaceID: orNull(w.WorkspaceID), URL: w.URL, Label: w.Label, Events: append([]string{}, w.Events...),
		CustomHooks: append([]string{}, w.CustomHooks...), Enabled: w.Enabled, Health: w.Health,
		CreatedAt: w.CreatedAt.UnixMilli(), UpdatedAt: w.UpdatedAt.UnixMilli(),
	}
	if w.Scope == or3cloud.WebhookUser {
		out.UserID = &w.UserID
	}
	return out
}

// answer answers with a webhook unless there is an error.
func answer(w http.ResponseWriter, hook or3cloud.Webhook, err error) error {
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]item{"webhook": shown(hook)})
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	user, workspace, err := a.come(r)
	if err != nil {
		return err
	}
	list, err := a.opt.Store.ListWebhooks(r.Context(), user, workspace)
	if err != nil {
		return err
	}
	items := make([]item, len(list))
	for i, hook := range list {
		items[i] = shown(hook)
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"webhooks": items})
}

// fields are what a request says about a webhook; what is nil was not sent.
type fields struct {
	URL    *string  `json:"url"`
	Label  *string  `json:"label"`
	Events []string `json:"events"`
	// The rest is for administrators only.
	CustomHooks []string `json:"custom_hooks"`
	WorkspaceID *string  `json:"workspace_id"`
}

// check reads and checks what was sent.
func (a *API) check(r *http.Request, user string) (in fields, err error) {
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return in, err
	}
	if scopeOf(user) == or3cloud.WebhookUser {
		in.CustomHooks, in.WorkspaceID = nil, nil
	}
	known := func(event string) bool { return slices.Contains(a.events(), event) }
	switch {
	case in.Label != nil && jsstring.Len(strings.TrimSpace(*in.Label)) > maxLabel,
		slices.ContainsFunc(in.Events, func(event string) bool { return !known(event) }),
		len(in.CustomHooks) > adminevent.MaxHooks,
		slices.ContainsFunc(in.CustomHooks, func(name string) bool { return !adminevent.IsHook(name) }):
		return in, invalid(invalidRequest)
	}
	for _, text := range []*string{in.URL, in.Label, in.WorkspaceID} {
		if text != nil {
			*text = strings.TrimSpace(*text)
		}
	}
	slices.Sort(in.Events)
	slices.Sort(in.CustomHooks)
	in.Events, in.CustomHooks = slices.Compact(in.Events), slices.Compact(in.CustomHooks)
	if in.URL != nil {
		err = a.opt.Engine.CheckURL(*in.URL)
	}
	return in, err
}

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

// Create creates a webhook and returns its id. It answers with the secret, which is not shown again.
func (a *API) Create(w http.ResponseWriter, r *http.Request) (id string, err error) {
	httpapi.NoStore(w)
	user, workspace, err := a.come(r)
	if err != nil {
		return "", err
	}
	in, err := a.check(r, user)
	switch {
	case err != nil:
		return "", err
	case in.URL == nil || len(in.Events)+len(in.CustomHooks) == 0:
		return "", invalid(invalidRequest)
	}
	if in.WorkspaceID != nil {
		workspace = *in.WorkspaceID
	}
	if err := a.limit(ratelimit.WebhookChange, user); err != nil {
		return "", err
	}
	id = uuid.NewString()
	secret, sealed, err := a.opt.Engine.NewSecret(id)
	if err != nil {
		return "", err
	}
	hook := or3cloud.Webhook{
		ID: id, Scope: scopeOf(user), UserID: user, WorkspaceID: workspace, URL: *in.URL, Events: in.Events, CustomHooks: in.CustomHooks,
		SealedSecret: sealed, Enabled: true,
	}
	if in.Label != nil {
		hook.Label = *in.Label
	}
	if hook, err = a.opt.Store.CreateWebhook(r.Context(), hook, a.opt.Most); err != nil {
		return "", err
	}
	return id, httpapi.WriteJSON(w, http.StatusOK, map[string]any{"webhook": shown(hook), "signing_secret": secret})
}

func (a *API) update(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.own(r)
	if err != nil {
		return err
	}
	in, err := a.check(r, hook.UserID)
	switch {
	case err != nil:
		return err
	case in.URL == nil && in.Label == nil && in.Events == nil && in.CustomHooks == nil, asksForNothing(hook, in):
		return invalid(invalidRequest)
	}
	if err := a.limit(ratelimit.WebhookChange, hook.UserID); err != nil {
		return err
	}
	hook, err = a.opt.Store.UpdateWebhook(r.Context(), hook.UserID, hook.ID, or3cloud.WebhookChange{
		URL: in.URL, Label: in.Label, Events: in.Events, CustomHooks: in.CustomHooks,
	})
	return answer(w, hook, err)
}

// asksForNothing reports whether a change leaves a webhook without any event.
func asksForNothing(hook or3cloud.Webhook, in fields) bool {
	events, hooks := hook.Events, hook.CustomHooks
	if in.Events != nil {
		events = in.Events
	}
	if in.CustomHooks != nil {
		hooks = in.CustomHooks
	}
	return len(events)+len(hooks) == 0
}

func (a *API) remove(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.changeable(r)
	if err != nil {
		return err
	}
	if err := a.opt.Store.DeleteWebhook(r.Context(), hook.UserID, hook.ID); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// toggle enables or disables a webhook, or switches it over if the body does not say which.
func (a *API) toggle(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.changeable(r)
	if err != nil {
		return err
	}
	var in struct {
		Enabled *bool `json:"enabled"`
	}
	if r.ContentLength != 0 {
		if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
			return err
		}
	}
	enabled := !hook.Enabled
	in.Enabled = cmp.Or(in.Enabled, &enabled)
	hook, err = a.opt.Store.UpdateWebhook(r.Context(), hook.UserID, hook.ID, or3cloud.WebhookChange{Enabled: in.Enabled})
	return answer(w, hook, err)
}

func (a *API) disableAll(w http.ResponseWriter, r *http.Request) error {
	user, workspace, err := a.come(r)
	if err == nil {
		err = a.limit(ratelimit.WebhookChange, user)
	}
	if err != nil {
		return err
	}
	n, err := a.opt.Store.DisableAllWebhooks(r.Context(), user, workspace)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]int{"disabled": n})
}

// delivery is a delivery in the log; times are in milliseconds.
type delivery struct {
	ID         string                  `json:"id"`
	WebhookID  string                  `json:"webhook_id"`
	EventID    string                  `json:"event_id"`
	Event      string                  `json:"event_type"`
	Attempt    int                     `json:"attempt"`
	Status     or3cloud.DeliveryStatus `json:"status"`
	ClaimedBy  *string                 `json:"claimed_by"`
	ClaimedAt  *int64                  `json:"claimed_at"`
	HTTPStatus *int                    `json:"http_status"`
	Error      *string                 `json:"error_message"`
	Request    string                  `json:"request_payload"`
	Answer     *string                 `json:"response_body"`
	DurationMS *int64                  `json:"duration_ms"`
	NextAt     *int64                  `json:"next_retry_at"`
	CreatedAt  int64                   `json:"created_at"`
}

// orNull is nil for the zero value.
func orNull[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func milliseconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return orNull(t.UnixMilli())
}

func logged(d or3cloud.WebhookDelivery) delivery {
	out := delivery{
		ID: d.ID, WebhookID: d.WebhookID, EventID: d.EventID, Event: d.Event, Attempt: d.Attempt, Status: d.Status,
		ClaimedBy: orNull(d.ClaimedBy), ClaimedAt: milliseconds(d.ClaimedAt), HTTPStatus: orNull(d.Last.HTTPStatus),
		Error: orNull(d.Last.Error), Request: string(d.Body), Answer: orNull(d.Last.Answer), CreatedAt: d.CreatedAt.UnixMilli(),
	}
	if d.Last != (or3cloud.DeliveryAttempt{}) {
		took := d.Last.Duration.Milliseconds()
		out.DurationMS = &took
	}
	if d.Status == or3cloud.DeliveryPending {
		out.NextAt = milliseconds(d.NextAt)
	}
	return out
}

func (a *API) logs(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	hook, err := a.own(r)
	if err != nil {
		return err
	}
	since := a.opt.Now().Add(-a.opt.Retention)
	if text := r.URL.Query().Get("since"); text != "" {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || n < 0 || n > or3cloud.MaxSafeInteger {
			return invalid("Invalid query")
		}
		since = time.UnixMilli(int64(n))
	}
	list, err := a.opt.Store.GetDeliveryLogs(r.Context(), hook.ID, since)
	if err != nil {
		return err
	}
	logs := make([]delivery, len(list))
	for i, d := range list {
		logs[i] = logged(d)
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"logs": logs})
}

// test answers with the outcome of a delivery that is sent now. The request succeeds even if the delivery fails.
func (a *API) test(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.own(r)
	if err == nil {
		err = a.limit(ratelimit.WebhookTest, hook.UserID)
	}
	if err != nil {
		return err
	}
	last, err := a.opt.Engine.Test(r.Context(), hook)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{
		"success": last.Error == "", "statusCode": orNull(last.HTTPStatus), "durationMs": last.Duration.Milliseconds(),
		"error": orNull(last.Error), "responseBody": orNull(last.Answer),
	})
}
