// Package pluginapi tells clients that this server has no plugins, in the form that spares them errors (contract,
// client-behaviour §15). Plugins that are built into a client need no server.
package pluginapi

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

// Options is empty: the endpoints depend on nothing, and give everyone the same answers.
type Options struct{}

// API answers requests about plugins.
type API struct{ manifest manifest }

// New returns the API.
func New(Options) *API {
	empty := manifest{EnabledPluginIDs: []string{}, InstalledPluginIDs: []string{}}
	text, err := json.Marshal(empty)
	if err != nil {
		panic(err) // the form is fixed
	}
	sum := sha1.Sum(text)
	empty.Revision = hex.EncodeToString(sum[:])
	return &API{manifest: empty}
}

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/plugins/runtime-manifest", Handle: a.runtimeManifest},
		{Method: http.MethodGet, Path: "/api/plugins/access", Handle: a.access},
	}
}

// manifest is the list of a workspace's plugins.
type manifest struct {
	WorkspaceID        *string  `json:"workspaceId"` // null where there can be no plugin
	EnabledPluginIDs   []string `json:"enabledPluginIds"`
	InstalledPluginIDs []string `json:"installedPluginIds"`
	Runtime            struct{} `json:"runtime"` // by id
	// Revision is the SHA-1 of the rest, in hex: clients reload plugins when it changes.
	Revision string `json:"revision,omitempty"`
}

func (a *API) runtimeManifest(w http.ResponseWriter, _ *http.Request) error {
	httpapi.NoStore(w)
	return httpapi.WriteJSON(w, http.StatusOK, a.manifest)
}

// decision says whether a plugin may be used, and by which rule.
type decision struct {
	Allowed         bool     `json:"allowed"`
	Reasons         []string `json:"reasons"` // why not
	EffectivePolicy policy   `json:"effectivePolicy"`
}

type policy struct {
	AuthRequired           bool     `json:"authRequired"`
	RequiredEntitlements   []string `json:"requiredEntitlements"`
	RequiredWorkspaceRoles []string `json:"requiredWorkspaceRoles"`
	Mode                   string   `json:"mode"`
}

// access allows every plugin, because this server has no rules about them: the plugin in question is built into the
// client, which would take a refusal for its administrator's, and try again and again after an error.
func (*API) access(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	if r.URL.Query().Get("pluginId") == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid request")
	}
	return httpapi.WriteJSON(w, http.StatusOK, decision{
		Allowed: true, Reasons: []string{},
		EffectivePolicy: policy{RequiredEntitlements: []string{}, RequiredWorkspaceRoles: []string{}, Mode: "all"},
	})
}
