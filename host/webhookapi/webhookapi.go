// Package webhookapi serves /api/webhooks, where members manage their own webhooks (contract, workspaces-and-admin §11).
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
	// Most is how many webhooks a user may have.
	Most int
	// Retention is how far back the log of deliveries goes.
	Retention time.Duration
	// Limits is nil where nothing is limited.
	Limits *middleware.Limits
	Now    func() time.Time
}

// API lets members manage their webhooks.
type API struct{ opt Options }

// New returns the API.
func New(o Options) *API { return &API{o} }

// Routes returns the endpoints. A new webhook belongs to the active workspace; of one that is there, its own workspace counts.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/webhooks", Handle: a.list},
		{Method: http.MethodPost, Path: "/api/webhooks", Handle: a.create},
		{Method: http.MethodPost, Path: "/api/webhooks/disable-all", Handle: a.disableAll},
		{Method: http.MethodPatch, Path: "/api/webhooks/:id", Handle: a.update},
		{Method: http.MethodDelete, Path: "/api/webhooks/:id", Handle: a.remove},
		{Method: http.MethodGet, Path: "/api/webhooks/:id/logs", Buffer: 3 * or3cloud.LogBytes, Handle: a.logs}, // rows, texts and JSON
		{Method: http.MethodPost, Path: "/api/webhooks/:id/test", Handle: a.test},
		{Method: http.MethodPost, Path: "/api/webhooks/:id/toggle", Handle: a.toggle},
	}
}

// active admits signed-in users who may read their own active workspace.
func (a *API) active(r *http.Request) (*or3cloud.SessionContext, error) {
	s, err := a.opt.Host.Session(r)
	if err != nil {
		return nil, err
	}
	if !s.Authenticated {
		return nil, or3cloud.Can(s, or3cloud.PermWorkspaceRead, or3cloud.Resource{}).Err()
	}
	return a.opt.Host.Authorize(r, or3cloud.PermWorkspaceRead, s.Workspace.ID)
}

// own returns the webhook that a request names, if it is the user's and its workspace is one that the user may read.
func (a *API) own(r *http.Request) (or3cloud.Webhook, error) {
	s, err := a.active(r)
	if err != nil {
		return or3cloud.Webhook{}, err
	}
	w, err := a.opt.Store.GetWebhook(r.Context(), r.PathValue("id"))
	if err != nil {
		return w, err
	}
	if w.Scope != or3cloud.WebhookUser || w.UserID != s.User.ID {
		return w, or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	}
	_, err = a.opt.Host.Authorize(r, or3cloud.PermWorkspaceRead, w.WorkspaceID)
	return w, err
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
	UserID      string                 `json:"user_id"`
	WorkspaceID string                 `json:"workspace_id"`
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
	return item{
		ID: w.ID, Scope: w.Scope, UserID: w.UserID, WorkspaceID: w.WorkspaceID, URL: w.URL, Label: w.Label, Events: w.Events,
		CustomHooks: append([]string{}, w.CustomHooks...), Enabled: w.Enabled, Health: w.Health,
		CreatedAt: w.CreatedAt.UnixMilli(), UpdatedAt: w.UpdatedAt.UnixMilli(),
	}
}

// answer answers with a webhook unless there is an error.
func answer(w http.ResponseWriter, hook or3cloud.Webhook, err error) error {
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]item{"webhook": shown(hook)})
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	s, err := a.active(r)
	if err != nil {
		return err
	}
	list, err := a.opt.Store.ListWebhooks(r.Context(), s.User.ID, s.Workspace.ID)
	if err != nil {
		return err
	}
	items := make([]item, len(list))
	for i, hook := range list {
		items[i] = shown(hook)
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"webhooks": items})
}

// fields are what a member says of a webhook; what is nil was not sent.
type fields struct {
	URL    *string  `json:"url"`
	Label  *string  `json:"label"`
	Events []string `json:"events"`
}

// read reads and checks what was sent.
func (a *API) read(r *http.Request) (in fields, err error) {
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return in, err
	}
	known := func(event string) bool { return slices.Contains(or3cloud.UserEvents[:], event) }
	switch {
	case in.Label != nil && jsstring.Len(strings.TrimSpace(*in.Label)) > maxLabel,
		in.Events != nil && len(in.Events) == 0,
		slices.ContainsFunc(in.Events, func(event string) bool { return !known(event) }):
		return in, invalid(invalidRequest)
	}
	for _, text := range []*string{in.URL, in.Label} {
		if text != nil {
			*text = strings.TrimSpace(*text)
		}
	}
	slices.Sort(in.Events)
	in.Events = slices.Compact(in.Events)
	if in.URL != nil {
		err = a.opt.Engine.CheckURL(*in.URL)
	}
	return in, err
}

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

// create answers with the secret, which no one is told again.
func (a *API) create(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	s, err := a.active(r)
	if err != nil {
		return err
	}
	in, err := a.read(r)
	switch {
	case err != nil:
		return err
	case in.URL == nil || in.Events == nil:
		return invalid(invalidRequest)
	}
	if err := a.limit(ratelimit.WebhookChange, s.User.ID); err != nil {
		return err
	}
	id := uuid.NewString()
	secret, sealed, err := a.opt.Engine.NewSecret(id)
	if err != nil {
		return err
	}
	hook := or3cloud.Webhook{
		ID: id, Scope: or3cloud.WebhookUser, UserID: s.User.ID, WorkspaceID: s.Workspace.ID, URL: *in.URL, Events: in.Events,
		SealedSecret: sealed, Enabled: true,
	}
	if in.Label != nil {
		hook.Label = *in.Label
	}
	if hook, err = a.opt.Store.CreateWebhook(r.Context(), hook, a.opt.Most); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]any{"webhook": shown(hook), "signing_secret": secret})
}

func (a *API) update(w http.ResponseWriter, r *http.Request) error {
	hook, err := a.own(r)
	if err != nil {
		return err
	}
	in, err := a.read(r)
	switch {
	case err != nil:
		return err
	case in.URL == nil && in.Label == nil && in.Events == nil:
		return invalid(invalidRequest)
	}
	if err := a.limit(ratelimit.WebhookChange, hook.UserID); err != nil {
		return err
	}
	hook, err = a.opt.Store.UpdateWebhook(r.Context(), hook.UserID, hook.ID, or3cloud.WebhookChange{URL: in.URL, Label: in.Label, Events: in.Events})
	return answer(w, hook, err)
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

// toggle enables or disables a webhook, or turns it over if the body does not say which.
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
	s, err := a.active(r)
	if err == nil {
		err = a.limit(ratelimit.WebhookChange, s.User.ID)
	}
	if err != nil {
		return err
	}
	n, err := a.opt.Store.DisableAllWebhooks(r.Context(), s.User.ID, s.Workspace.ID)
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

// test answers with what came of a delivery that is sent now. It is a success of the request also when the delivery fails.
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
