package adminapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/setting"
)

// packagesAPI are the endpoints of plugins and themes, of which this server has none: the forms are empty, and what a
// workspace has enabled and set is stored (contract, workspaces-and-admin §5).
//
// Answers about a setting carry a version of it, an extension of ours. A change that names the version that its page
// has seen is refused if another administrator was faster; one that names none is applied on top of the current value.
type packagesAPI struct{ *API }

func (a packagesAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "plugins-page", may: owners, proof: readOnly, handle: a.pluginsPage},
		{method: http.MethodPost, path: "plugins/workspace-enable", may: owners, action: audit.PluginEnable, handle: a.enablePlugin},
		{method: http.MethodGet, path: "plugins/workspace-settings", may: owners, proof: readOnly, handle: a.pluginSettings},
		{method: http.MethodPost, path: "plugins/workspace-settings", may: owners, action: audit.PluginSettings, body: settingsBody,
			handle: a.setPluginSettings},
		{method: http.MethodGet, path: "themes-page", proof: readOnly, handle: a.themesPage},
		{method: http.MethodGet, path: "extensions", proof: readOnly, handle: a.extensions},
		{method: http.MethodPost, path: "extensions/install", body: -1, handle: a.install},
		{method: http.MethodPost, path: "extensions/uninstall", handle: a.uninstall},
	}
}

const (
	// settingsBody limits the body with the settings of a plugin; what is stored has at most or3cloud.MaxSettingValue.
	settingsBody = 64 << 10
	// maxPluginID leaves room for the name of the setting.
	maxPluginID = 128
	// longestUpload is how many bytes of an extension are read before its sender is told that it cannot be installed.
	longestUpload = 32 << 20
)

// The settings of a workspace that the contract names.
const (
	pluginsEnabled = "plugins.enabled"
	pluginSettings = "plugins.settings."
)

// stored is a setting as it was read.
type stored struct {
	value string
	found bool
}

func read(ctx context.Context, settings or3cloud.WorkspaceSettings, workspaceID, key string) (s stored, err error) {
	s.value, s.found, err = settings.WorkspaceSetting(ctx, workspaceID, key)
	return s, err
}

// version names a value: the beginning of its SHA-256, or "none".
func (s stored) version() string {
	if !s.found {
		return "none"
	}
	sum := sha256.Sum256([]byte(s.value))
	return hex.EncodeToString(sum[:8])
}

// expected is the value in the form for CompareAndSetWorkspaceSetting.
func (s stored) expected() *string {
	if !s.found {
		return nil
	}
	return &s.value
}

// errStale is the answer to a page that has not seen another administrator's change.
var errStale = or3cloud.Errorf(or3cloud.CodeConflict, "Another administrator has changed this in the meantime. Reload the page.")

// seen is the version that a page has seen; empty if the page does not know versions.
type seen struct {
	Version string `json:"version"`
}

func (v seen) check(s stored) error {
	if v.Version != "" && v.Version != s.version() {
		return errStale
	}
	return nil
}

// plugins are the plugins that a workspace has enabled.
type plugins struct {
	stored
	ids []string
}

func enabledPlugins(ctx context.Context, settings or3cloud.WorkspaceSettings, workspaceID string) (plugins, error) {
	s, err := read(ctx, settings, workspaceID, pluginsEnabled)
	out := plugins{stored: s}
	if json.Unmarshal([]byte(s.value), &out.ids) != nil || out.ids == nil { // another host has stored something that is not a list
		out.ids = []string{}
	}
	return out, err
}

// shown resolves the workspace that a page is about, and the store of its settings. The workspace must exist: otherwise
// it would look like one without plugins.
func (a packagesAPI) shown(r *http.Request, c *Caller) (id string, settings or3cloud.WorkspaceSettings, err error) {
	id, err = c.workspace(r.URL.Query().Get("workspaceId"))
	if err == nil && c.Kind == SuperAdmin { // anyone else owns it
		_, err = operator.DescribeWorkspace.Do(r.Context(), a.opt.Desk, operator.WorkspaceID{WorkspaceID: id})
	}
	if err == nil {
		settings, err = instance.StoreAbility[or3cloud.WorkspaceSettings](a.opt.Instance, instance.SettingsStore)
	}
	return id, settings, err
}

// changing resolves the workspace of a change, and the store of its settings.
func (a packagesAPI) changing(c *Caller, p place) (id string, settings or3cloud.WorkspaceSettingsComparer, err error) {
	if id, err = c.at(p); err == nil {
		settings, err = instance.StoreAbility[or3cloud.WorkspaceSettingsComparer](a.opt.Instance, instance.SettingsStore)
	}
	return id, settings, err
}

func (a packagesAPI) pluginsPage(w http.ResponseWriter, r *http.Request, c *Caller) error {
	id, settings, err := a.shown(r, c)
	if err != nil {
		return err
	}
	enabled, err := enabledPlugins(r.Context(), settings, id)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Plugins        []string      `json:"plugins"`
		Role           or3cloud.Role `json:"role"`
		EnabledPlugins []string      `json:"enabledPlugins"`
		Version        string        `json:"version"`
	}{[]string{}, or3cloud.RoleOwner, enabled.ids, enabled.version()})
}

// isPluginID reports whether a text can name a plugin.
func isPluginID(id string) bool {
	return id != "" && len(id) <= maxPluginID && strings.TrimSpace(id) == id && !strings.ContainsFunc(id, unicode.IsControl)
}

func (a packagesAPI) enablePlugin(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		place
		seen
		PluginID string `json:"pluginId"`
		Enabled  *bool  `json:"enabled"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if !isPluginID(in.PluginID) || in.Enabled == nil {
		return invalid(invalidRequest)
	}
	c.Target.Object = in.PluginID
	id, settings, err := a.changing(c, in.place)
	if err != nil {
		return err
	}
	for {
		was, err := enabledPlugins(r.Context(), settings, id)
		if err == nil {
			err = in.check(was.stored)
		}
		if err != nil {
			return err
		}
		ids := slices.DeleteFunc(slices.Clone(was.ids), func(id string) bool { return id == in.PluginID })
		if *in.Enabled {
			ids = append(ids, in.PluginID)
		}
		text, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		if len(text) > or3cloud.MaxSettingValue {
			return or3cloud.Errorf(or3cloud.CodeConflict, "The workspace has as many plugins enabled as it can have")
		}
		done, err := settings.CompareAndSetWorkspaceSetting(r.Context(), id, pluginsEnabled, was.expected(), string(text))
		if err != nil {
			return err
		}
		if !done { // another administrator has changed it: try again on top of that
			continue
		}
		if slices.Contains(was.ids, in.PluginID) != *in.Enabled {
			a.tell(r.Context(), id, in.PluginID, *in.Enabled)
		}
		return httpapi.WriteJSON(w, http.StatusOK, struct {
			OK      bool     `json:"ok"`
			Enabled []string `json:"enabled"`
			Version string   `json:"version"`
		}{true, ids, stored{string(text), true}.version()})
	}
}

// tell reports a plugin to webhooks of administrators. The change has happened, even if it cannot be reported.
func (a packagesAPI) tell(ctx context.Context, workspaceID, plugin string, enabled bool) {
	queue := instance.Ability[adminevent.Queue](a.opt.Instance.Providers(), or3cloud.ProviderSync)
	if queue == nil {
		return
	}
	event := adminevent.Event{Name: adminevent.PluginDisabled, WorkspaceID: workspaceID}
	if enabled {
		event.Name = adminevent.PluginEnabled
	}
	var err error
	event.Data, err = json.Marshal(adminevent.Plugin{ID: plugin, WorkspaceID: workspaceID, UpdatedAt: a.opt.Now().Unix()})
	if err == nil {
		_, err = queue.ReportAdminEvent(context.WithoutCancel(ctx), event)
	}
	if err != nil {
		a.opt.Instance.Options().Log.Warn("a plugin event did not reach the administrators' webhooks", "workspace", workspaceID, "error", err)
	}
}

// ofPlugin is the settings of a plugin, and their version.
type ofPlugin struct {
	Settings json.RawMessage `json:"settings"`
	Version  string          `json:"version"`
}

func (a packagesAPI) pluginSettings(w http.ResponseWriter, r *http.Request, c *Caller) error {
	query := r.URL.Query()
	plugin := query.Get("pluginId")
	if !isPluginID(plugin) {
		return invalid(invalidRequest)
	}
	id, settings, err := a.shown(r, c)
	if err != nil {
		return err
	}
	s, err := read(r.Context(), settings, id, pluginSettings+plugin)
	if err != nil {
		return err
	}
	out := ofPlugin{json.RawMessage("{}"), s.version()}
	if isObject([]byte(s.value)) {
		out.Settings = json.RawMessage(s.value)
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// isObject reports whether a text is a JSON object, as every reader understands it.
func isObject(text []byte) bool {
	v := jsontext.Value(text)
	return v.Kind() == '{' && v.IsValid()
}

func (a packagesAPI) setPluginSettings(w http.ResponseWriter, r *http.Request, c *Caller) error {
	const invalidSettings = "Invalid settings"
	var in struct {
		place
		seen
		PluginID string          `json:"pluginId"`
		Settings json.RawMessage `json:"settings"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	if !isPluginID(in.PluginID) {
		return invalid(invalidRequest)
	}
	c.Target.Object = in.PluginID
	text := jsontext.Value(in.Settings)
	if !isObject(text) || text.Compact() != nil || len(text) > or3cloud.MaxSettingValue {
		return invalid(invalidSettings)
	}
	id, settings, err := a.changing(c, in.place)
	if err != nil {
		return err
	}
	key := pluginSettings + in.PluginID
	if in.Version == "" {
		err = settings.SetWorkspaceSetting(r.Context(), id, key, string(text))
	} else {
		err = replaceSettings(r.Context(), settings, id, key, in.seen, string(text))
	}
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		OK      bool   `json:"ok"`
		Version string `json:"version"`
	}{true, stored{string(text), true}.version()})
}

// replaceSettings stores a value if the current one is what a page has seen.
func replaceSettings(ctx context.Context, settings or3cloud.WorkspaceSettingsComparer, workspaceID, key string, v seen, value string) error {
	was, err := read(ctx, settings, workspaceID, key)
	if err == nil {
		err = v.check(was)
	}
	if err != nil {
		return err
	}
	done, err := settings.CompareAndSetWorkspaceSetting(ctx, workspaceID, key, was.expected(), value)
	if err == nil && !done {
		err = errStale
	}
	return err
}

// themesPage names the theme for new users, which is one that the client was built with.
func (a packagesAPI) themesPage(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	const usual = "blank"
	out := struct {
		Themes       []string      `json:"themes"`
		Role         or3cloud.Role `json:"role"`
		DefaultTheme string        `json:"defaultTheme"`
	}{[]string{}, or3cloud.RoleOwner, usual}
	if theme := a.opt.Config.String(setting.DefaultTheme); theme != "" {
		out.DefaultTheme = theme
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a packagesAPI) extensions(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Items []string `json:"items"`
	}{[]string{}})
}

// errNoExtensions is why extensions cannot be installed or removed.
var errNoExtensions = or3cloud.Errorf(or3cloud.CodeUnsupported, "This server runs no plugins and no themes of its own. Build them into the client instead.")

// install refuses an extension, but only once it has arrived: a browser that is still sending would show a broken
// connection instead of the reason.
func (a packagesAPI) install(w http.ResponseWriter, r *http.Request, c *Caller) error {
	httpapi.LimitBody(w, r, longestUpload)
	var tooLarge *http.MaxBytesError
	if _, err := io.Copy(io.Discard, r.Body); err != nil && !errors.As(err, &tooLarge) {
		return httpapi.BodyError(r, err, invalidRequest)
	}
	now, err := a.identify(r, c.row) // it may have taken long
	if err == nil {
		err = now.row.admits(now)
	}
	if err != nil {
		return err
	}
	return errNoExtensions
}

func (packagesAPI) uninstall(http.ResponseWriter, *http.Request, *Caller) error {
	return errNoExtensions
}
