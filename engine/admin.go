package engine

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/syncrule"
)

type (
	adminStatusRequest struct {
		// Kind is auth, sync or storage.
		Kind or3cloud.ProviderKind `json:"kind"`
	}
	adminActionRequest struct {
		Kind     or3cloud.ProviderKind `json:"kind"`
		ActionID string                `json:"actionId"`
		// WorkspaceID is that of the session; absent if it has none.
		WorkspaceID string         `json:"workspaceId,omitempty"`
		Payload     map[string]any `json:"payload,omitempty"`
	}
	adminActionAnswer struct {
		Result any `json:"result"`
	}
	// notification is or3cloud.Notification.
	notification struct {
		// ID is a UUID.
		ID          string `json:"id"`
		WorkspaceID string `json:"workspaceId"`
		UserID      string `json:"userId"`
		Type        string `json:"type"`
		Title       string `json:"title"`
		Body        string `json:"body,omitempty"`
		ThreadID    string `json:"threadId,omitempty"`
	}
	limitRequest struct {
		Key         string      `json:"key"`
		WindowMS    httpapi.Int `json:"windowMs"`
		MaxRequests httpapi.Int `json:"maxRequests"`
	}
	limitVerdict struct {
		Allowed bool `json:"allowed"`
		// Remaining is how many are left after this one.
		Remaining    int   `json:"remaining"`
		RetryAfterMS int64 `json:"retryAfterMs,omitempty"`
	}
	limitStats struct {
		Limit     int   `json:"limit"`
		Remaining int   `json:"remaining"`
		ResetMS   int64 `json:"resetMs"`
	}
)

// all returns the providers themselves, for methods that choose an ability by the request.
func all(p *instance.Providers) *instance.Providers { return p }

// administered returns an ability of the provider in a role.
func administered[Ability any](p *instance.Providers, kind or3cloud.ProviderKind) (a Ability, err error) {
	if a = instance.Ability[Ability](p, kind); any(a) == nil {
		return a, or3cloud.Errorf(or3cloud.CodeUnsupported, "No open provider of kind %.20q supports this administration", kind)
	}
	return a, nil
}

// The limits on the windows that hosts keep here: their memory depends on the number of requests.
const (
	longestKey    = 512
	longestWindow = 24 * time.Hour
	mostRequests  = 10_000
)

// limitKey separates the windows that hosts keep here from those of a Go host on the same data.
const limitKey = "host "

func (in limitRequest) limit() (ratelimit.Limit, error) {
	window := httpapi.Duration(max(0, int64(in.WindowMS)), time.Millisecond)
	if len(in.Key) > longestKey || window <= 0 || window > longestWindow || in.MaxRequests < 1 || in.MaxRequests > mostRequests {
		return ratelimit.Limit{}, or3cloud.Errorf(or3cloud.CodeInvalid, "A limit needs a key of up to %d bytes, 1 to %d requests and a window of up to %v",
			longestKey, mostRequests, longestWindow)
	}
	return ratelimit.Limit{Max: int(in.MaxRequests), Window: window}, nil
}

func adminMethods() []method {
	return []method{
		does("admin/status", "ProviderAdminAdapter.getStatus.", all, func(c call, p *instance.Providers, in adminStatusRequest) (out or3cloud.AdminStatus, err error) {
			adapter, err := administered[or3cloud.ProviderAdminAdapter](p, in.Kind)
			if err != nil {
				return out, err
			}
			return adapter.GetStatus(c)
		}),
		does("admin/run-action", "ProviderAdminAdapter.runAction.", all, func(c call, p *instance.Providers, in adminActionRequest) (out adminActionAnswer, err error) {
			runner, err := administered[or3cloud.AdminActionRunner](p, in.Kind)
			if err == nil {
				out.Result, err = runner.RunAction(c, in.WorkspaceID, in.ActionID, in.Payload)
			}
			return out, err
		}),
		does("notifications/notify", "Writes a notification for a member into the log of a workspace, once per id.", by[or3cloud.Notifier](or3cloud.ProviderSync),
			func(c call, n or3cloud.Notifier, in notification) (nothing, error) {
				told := or3cloud.Notification{
					ID: in.ID, WorkspaceID: in.WorkspaceID, UserID: in.UserID, Type: or3cloud.NotificationType(in.Type), Title: in.Title,
					Body: in.Body, ThreadID: in.ThreadID,
				}
				// A notification that clients could not take is the host's mistake, and so are the ones it makes here.
				if _, err := syncrule.Notify(told, c.engine.now()); err != nil {
					return nothing{}, or3cloud.WrapError(err, or3cloud.CodeInvalid, "Invalid notification: its id must be a UUID")
				}
				return nothing{}, n.Notify(c, told)
			}),
		does("limits/check-and-record", "RateLimitProvider.checkAndRecord. The engine keeps the windows, for all processes of a host.", all,
			func(c call, _ *instance.Providers, in limitRequest) (out limitVerdict, err error) {
				limit, err := in.limit()
				if err != nil {
					return out, err
				}
				v := c.engine.limits.Take(limitKey+in.Key, limit)
				out = limitVerdict{Allowed: v.Allowed, Remaining: v.Remaining, RetryAfterMS: milliseconds(v.RetryAfter)}
				if v.Allowed {
					out.Remaining--
				}
				return out, nil
			}),
		does("limits/get-stats", "RateLimitProvider.getStats.", all, func(c call, _ *instance.Providers, in limitRequest) (out limitStats, err error) {
			limit, err := in.limit()
			if err != nil {
				return out, err
			}
			v := c.engine.limits.Check(limitKey+in.Key, limit)
			return limitStats{Limit: v.Limit, Remaining: v.Remaining, ResetMS: milliseconds(v.RetryAfter)}, nil
		}),
	}
}

// milliseconds rounds up: a client that comes back earlier is refused again.
func milliseconds(d time.Duration) int64 { return int64((d + time.Millisecond - 1) / time.Millisecond) }
