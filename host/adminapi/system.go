package adminapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/settable"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/operator"
	"or3.chat/cloud/setting"
)

// Program is what the endpoints know of the program that the server is. Of the zero value they say that it cannot do
// what is asked.
type Program struct {
	// Configuration is the .env file that the server was started with.
	Configuration *settable.Configuration
	// Restarter starts the server again; nil where that is not possible.
	Restarter Restarter
	// About is what it says of itself and what it is made of, as JSON; nil where that is not known.
	About any
}

// Restarter starts the server again, with its configuration as it is then, and without a closed port. What does not
// start leaves the server that is there.
type Restarter interface {
	// Ask begins it and returns at once. An error says why that is not possible.
	Ask() error
	// Refused returns when a start was last refused, and why; "" if there was none.
	Refused() (at time.Time, why string)
}

// systemAPI are the endpoints of the deployment as a whole (contract, workspaces-and-admin §5 and §6).
type systemAPI struct{ *API }

func (s systemAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "system/status", may: superAdmins, proof: readOnly, handle: s.status},
		{method: http.MethodPost, path: "system/provider-action", may: superAdmins, proof: intent, action: audit.ProviderAction, handle: s.action},
		{method: http.MethodPost, path: "system/restart", may: superAdmins, proof: intent, action: audit.Restart, handle: s.restart},
		{method: http.MethodPost, path: "system/rebuild-restart", may: superAdmins, proof: intent, action: audit.Rebuild, handle: s.rebuild},
		{method: http.MethodGet, path: "update/status", may: superAdmins, proof: readOnly, handle: s.updates},
		{method: http.MethodPost, path: "update/check", may: superAdmins, proof: ownOrigin, handle: s.updates},
		{method: http.MethodPost, path: "update/preview", may: superAdmins, proof: ownOrigin, handle: s.previewUpdate},
		{method: http.MethodPost, path: "update/start", may: superAdmins, proof: intent, action: audit.Update, handle: s.startUpdate},
	}
}

func (s systemAPI) status(w http.ResponseWriter, r *http.Request, c *Caller) error {
	providers, err := operator.DescribeProviders.Do(r.Context(), s.opt.Desk, operator.Nothing{})
	if err != nil {
		return err
	}
	type streaming struct {
		Enabled         bool   `json:"enabled"`
		StorageProvider string `json:"storageProvider"`
		// Jobs are how many there are, for our own pages.
		Jobs *jobs.Counts `json:"jobs,omitempty"`
	}
	type refused struct {
		At     time.Time `json:"at"`
		Reason string    `json:"reason"`
	}
	type admin struct {
		AllowRestart bool `json:"allowRestart"`
		AllowRebuild bool `json:"allowRebuild"`
		// RestartRefused is the last start that came to nothing, for our own pages.
		RestartRefused *refused `json:"restartRefused,omitempty"`
	}
	type session struct {
		WorkspaceID string        `json:"workspaceId,omitempty"`
		Role        or3cloud.Role `json:"role,omitempty"`
	}
	out := struct {
		Status struct {
			operator.Deployment
			BackgroundStreaming streaming `json:"backgroundStreaming"`
			Admin               admin     `json:"admin"`
		} `json:"status"`
		Warnings []or3cloud.AdminWarning `json:"warnings"`
		Session  session                 `json:"session"`
		// Runs are the actions that run on after their answer, for our own pages.
		Runs []operator.Run `json:"runs"`
	}{Warnings: []or3cloud.AdminWarning{}, Runs: s.opt.Desk.Runs()}
	out.Status.Deployment = providers
	for _, p := range providers.All {
		out.Warnings = append(out.Warnings, p.Warnings...)
	}
	out.Status.BackgroundStreaming.Enabled = s.opt.Background
	out.Status.BackgroundStreaming.StorageProvider = providers.Sync.Provider
	if s.opt.Background {
		counts, err := operator.CountJobs.Do(r.Context(), s.opt.Desk, operator.Nothing{})
		if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeUnsupported {
			return err
		}
		out.Status.BackgroundStreaming.Jobs = &counts
	}
	if restarter := s.opt.Program.Restarter; restarter != nil {
		out.Status.Admin.AllowRestart = s.opt.Config.Bool(setting.AdminAllowRestart)
		if at, why := restarter.Refused(); why != "" {
			out.Status.Admin.RestartRefused = &refused{at, why}
		}
	}
	out.Session.Role = or3cloud.RoleOwner // of everything, where there is no workspace
	if c.Session != nil && c.Session.Workspace.ID != "" {
		out.Session = session{c.Session.Workspace.ID, c.Session.Role}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// actionPatience is how long a request waits for the end of an action.
const actionPatience = 8 * time.Second

// action runs an action. One that takes long runs on, and the status says what becomes of it.
func (s systemAPI) action(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		Kind        or3cloud.ProviderKind `json:"kind"`
		ActionID    string                `json:"actionId"`
		Payload     map[string]any        `json:"payload"`
		WorkspaceID string                `json:"workspaceId"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	switch in.Kind {
	case or3cloud.ProviderAuth, or3cloud.ProviderSync, or3cloud.ProviderStorage:
	default:
		return or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
	}
	if strings.TrimSpace(in.ActionID) == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, invalidRequest)
	}
	wanted := operator.ActionRequest{Kind: in.Kind, ActionID: in.ActionID, Payload: in.Payload}
	// Whether an action is done to a workspace is said by the action, in its own words.
	active, err := c.workspace(in.WorkspaceID)
	if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
		return err
	}
	if wanted.ActiveWorkspaceID = active; strings.TrimSpace(in.WorkspaceID) != "" {
		wanted.WorkspaceID = active
	}
	c.Target.Object = in.ActionID
	result, over, err := s.opt.Desk.Begin(r.Context(), wanted, actionPatience)
	switch {
	case err != nil:
		return err
	case !over:
		return httpapi.WriteJSON(w, http.StatusOK, struct {
			ok
			Running bool           `json:"running"`
			Result  map[string]any `json:"result"`
		}{ok{true}, true, map[string]any{"running": true, "action": in.ActionID}})
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		ok
		Result any `json:"result"`
	}{ok{true}, result})
}

func (s systemAPI) restart(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	if !s.opt.Config.Bool(setting.AdminAllowRestart) {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "Restart disabled")
	}
	refuse := func(why string) error {
		return or3cloud.Errorf(or3cloud.CodeConflict, "Restart not supported: %s", why)
	}
	if s.opt.Program.Restarter == nil {
		return refuse("this server was not started by or3-cloud serve")
	}
	if file := s.opt.Program.Configuration; file != nil {
		problems, err := file.Problems()
		if err != nil {
			return err
		}
		if len(problems) > 0 {
			return or3cloud.Errorf(or3cloud.CodeConflict, "The configuration does not start, so the server goes on with what it has: %s", settable.Text(problems))
		}
	}
	if err := s.opt.Program.Restarter.Ask(); err != nil {
		return refuse(err.Error())
	}
	// What is under way is finished first, this answer too.
	return httpapi.WriteJSON(w, http.StatusOK, ok{true})
}

// rebuild is for hosts that are built on the spot. A program is replaced by another one (docs/operations.md).
func (s systemAPI) rebuild(http.ResponseWriter, *http.Request, *Caller) error {
	return or3cloud.Errorf(or3cloud.CodeUnsupported, "Rebuild disabled")
}

// noUpdates is why a server does not update itself: anyone who can replace its program has the machine.
const noUpdates = "This server does not update itself. Replace its program and start the upgrade at the command line, as docs/operations.md says."

func (s systemAPI) updates(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Kind    string `json:"kind"`
		Enabled bool   `json:"enabled"`
		Reason  string `json:"reason"`
	}{"unsupported", false, noUpdates})
}

func (s systemAPI) previewUpdate(http.ResponseWriter, *http.Request, *Caller) error {
	return or3cloud.Errorf(or3cloud.CodeUnsupported, noUpdates)
}

func (s systemAPI) startUpdate(_ http.ResponseWriter, r *http.Request, _ *Caller) error {
	const invalid = "A valid update request is required."
	var in struct {
		RequestID     string `json:"requestId"`
		TargetVersion string `json:"targetVersion"`
	}
	if err := httpapi.ReadJSON(r, &in, invalid); err != nil {
		return err
	}
	if _, err := uuid.Parse(in.RequestID); err != nil || len(in.RequestID) != len(uuid.Nil.String()) || !isVersion(in.TargetVersion) {
		return or3cloud.Errorf(or3cloud.CodeInvalid, invalid)
	}
	return or3cloud.Errorf(or3cloud.CodeUnsupported, noUpdates)
}

// isVersion reports whether a text is x.y.z, three numbers.
func isVersion(text string) bool {
	parts := strings.Split(text, ".")
	for _, part := range parts {
		if part == "" || len(part) > 9 || strings.Trim(part, "0123456789") != "" {
			return false
		}
	}
	return len(parts) == 3
}
