package adminapi

import (
	"net/http"

	"or3.chat/cloud/audit"
)

// webhooks are the endpoints of the webhooks of administrators: those of members, but for administrators.
func (a *API) webhooks() (out []endpoint) {
	if a.opt.Webhooks == nil {
		return nil
	}
	actions := map[string]audit.Action{
		"POST webhooks": audit.WebhookCreate, "PATCH webhooks/:id": audit.WebhookUpdate, "DELETE webhooks/:id": audit.WebhookDelete,
		"POST webhooks/:id/test": audit.WebhookTest, "POST webhooks/:id/toggle": audit.WebhookToggle,
	}
	for _, route := range a.opt.Webhooks.RoutesBelow("webhooks") {
		e := endpoint{
			method: route.Method, path: route.Path, action: actions[route.Method+" "+route.Path], body: route.MaxBody, buffer: route.Buffer,
			handle: func(w http.ResponseWriter, r *http.Request, c *Caller) error {
				c.Target.Object = r.PathValue("id")
				return route.Handle(w, r)
			},
		}
		switch {
		case route.Method == http.MethodGet:
			e.proof = readOnly
		case e.action == audit.WebhookCreate:
			e.handle = func(w http.ResponseWriter, r *http.Request, c *Caller) (err error) {
				c.Target.Object, err = a.opt.Webhooks.Create(w, r)
				return err
			}
		}
		out = append(out, e)
	}
	return out
}
