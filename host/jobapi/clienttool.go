package jobapi

import (
	"encoding/json"
	"net/http"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/jobs"
)

// The limits of what a browser sends about a call of a tool, in bytes (contract, client-behaviour §15).
const (
	// maxToolID is the longest id of a call or a browser.
	maxToolID = 256
	// maxToolResult is the largest body with a result: 256 KiB, each byte of which may be escaped as six.
	maxToolResult = 6*(256<<10) + 16<<10
)

// clientTools says whether browsers are asked to call their tools.
func (a *API) clientTools(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	if _, err := middleware.Member(a.opt.Host, r, or3cloud.PermWorkspaceWrite); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"available": a.opt.Answers != nil})
}

// toolCall is what a browser sends about a call.
type toolCall struct {
	CallID     string  `json:"callId"`
	DeviceID   string  `json:"deviceId"`
	ClaimToken string  `json:"claimToken"`
	Result     *string `json:"result"`
	Error      string  `json:"error"`
}

// The conflicts of the contract: someone else has the call, or no one waits for it any more.
var (
	errClaimed = or3cloud.Errorf(or3cloud.CodeConflict, "The tool call is not pending, or claimed already")
	errExpired = or3cloud.Errorf(or3cloud.CodeConflict, "The claim of the tool call has expired, or was replaced")
)

// readCall reads what a browser sends about a call of a job, and checks that its user may continue the job. A request
// for a job of another user reveals nothing about it.
func (a *API) readCall(r *http.Request, invalid string, fits func(*toolCall) bool) (in toolCall, job *jobs.View, err error) {
	if err := httpapi.ReadJSON(r, &in, invalid); err != nil {
		return in, nil, err
	}
	s, err := a.opt.Host.Session(r)
	if err != nil {
		return in, nil, err
	}
	if !s.Authenticated {
		return in, nil, or3cloud.Can(s, or3cloud.PermWorkspaceWrite, or3cloud.Resource{}).Err()
	}
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" || in.CallID == "" || len(in.CallID) > maxToolID || !fits(&in) {
		return in, nil, or3cloud.Errorf(or3cloud.CodeInvalid, "%s", invalid)
	}
	view, err := a.opt.Answers.Get(r.Context(), id, s.User.ID, jobs.Place{})
	if err != nil {
		return in, nil, err
	}
	_, err = a.allow(r, or3cloud.PermWorkspaceWrite, &view.Job)
	return in, &view, err
}

// claimed is a call that a browser has claimed.
type claimed struct {
	ClaimToken string `json:"claimToken"`
	// ClaimExpiresAt is in Unix milliseconds.
	ClaimExpiresAt int64  `json:"claimExpiresAt"`
	ClaimDigest    string `json:"claimDigest"`
	Call           struct {
		ID         string          `json:"id"`
		Name       string          `json:"name"`
		Arguments  string          `json:"arguments"`
		Definition json.RawMessage `json:"definition"`
	} `json:"call"`
	Context struct {
		WorkspaceID string `json:"workspaceId"`
		ThreadID    string `json:"threadId"`
		MessageID   string `json:"messageId"`
	} `json:"context"`
}

func (a *API) claimTool(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	in, job, err := a.readCall(r, "Invalid tool claim", func(in *toolCall) bool { return in.DeviceID != "" && len(in.DeviceID) <= maxToolID })
	if err != nil {
		return err
	}
	claim, err := a.opt.Answers.ClaimTool(r.Context(), job.ID, job.UserID, in.CallID, in.DeviceID)
	switch {
	case err != nil:
		return err
	case claim == nil:
		return errClaimed
	}
	var out claimed
	out.ClaimToken, out.ClaimExpiresAt, out.ClaimDigest = claim.Token, claim.Until.UnixMilli(), claim.Digest
	out.Call.ID, out.Call.Name, out.Call.Arguments, out.Call.Definition = claim.CallID, claim.Name, claim.Arguments, claim.Definition
	out.Context.WorkspaceID, out.Context.ThreadID, out.Context.MessageID = claim.WorkspaceID, claim.ThreadID, claim.MessageID
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func hasToken(in *toolCall) bool { return in.ClaimToken != "" && len(in.ClaimToken) <= maxToolID }

func (a *API) validateTool(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	in, job, err := a.readCall(r, "Invalid tool claim", hasToken)
	if err != nil {
		return err
	}
	held, err := a.opt.Answers.HoldsTool(r.Context(), job.ID, job.UserID, in.CallID, in.ClaimToken)
	switch {
	case err != nil:
		return err
	case !held:
		return errExpired
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"valid": true})
}

func (a *API) settleTool(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	in, job, err := a.readCall(r, "Invalid tool result", func(in *toolCall) bool { return hasToken(in) && (in.Result != nil || in.Error != "") })
	if err != nil {
		return err
	}
	result := ""
	if in.Result != nil {
		result = *in.Result
	}
	done, err := a.opt.Answers.SettleTool(r.Context(), job.ID, job.UserID, in.CallID, in.ClaimToken, result, in.Error)
	switch {
	case err != nil:
		return err
	case !done:
		return errExpired
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"accepted": true})
}
