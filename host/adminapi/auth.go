package adminapi

import (
	"net/http"

	"or3.chat/cloud/httpapi"
)

// auth are the endpoints of signing in.
func (a *API) auth() []endpoint {
	return []endpoint{{method: http.MethodGet, path: "auth/session", may: admins, handle: a.session}}
}

func (a *API) session(w http.ResponseWriter, _ *http.Request, c *Caller) error {
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Authenticated bool `json:"authenticated"`
		Kind          Kind `json:"kind"`
	}{true, c.Kind})
}
