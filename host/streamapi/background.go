package streamapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/syncwire"
)

// The codes that keep the newest client in the foreground for the rest of its session.
const (
	codeOff     = "background_streaming_disabled"
	codeHistory = "background_history_unsupported"
	codeTools   = "background_client_tool_unsupported"
)

// deny answers a background start in the contract's form.
func deny(w http.ResponseWriter, status int, text, code string) error {
	return httpapi.WriteJSON(w, status, struct {
		Code  string `json:"code,omitempty"`
		Error string `json:"error"`
	}{code, text})
}

// denial is deny, with whatever else a client needs.
type denial = func(w http.ResponseWriter, status int, text, code string) error

// begun says that an answer is being made. The newest clients require the version of the history that they have
// announced.
type begun struct {
	JobID          string `json:"jobId"`
	Status         string `json:"status"`
	HistoryVersion int    `json:"historyVersion,omitempty"`
}

// begin begins an answer in the background.
func (a *API) begin(w http.ResponseWriter, r *http.Request, asked *completions.Request) error {
	if a.opt.Answers == nil {
		return deny(w, http.StatusServiceUnavailable, "Background streaming is not enabled on this server", codeOff)
	}
	s, err := a.opt.Host.Session(r)
	switch {
	case err != nil:
		return err
	case !s.Authenticated:
		return deny(w, http.StatusUnauthorized, "Authentication required for background streaming", "")
	}
	// Old clients show nothing about a refused start, neither in the chat nor beside it.
	deny := func(w http.ResponseWriter, status int, text, code string) error {
		if asked.History == nil {
			a.opt.Answers.Refused(r.Context(), s.User.ID, s.Workspace.ID, asked.ThreadID, text, status)
		}
		return deny(w, status, text, code)
	}
	if len(asked.History) > jobs.MaxContext {
		return notBegun(w, deny, answers.ErrLarge)
	}
	history, err := announced(asked, s)
	if err != nil {
		return deny(w, http.StatusBadRequest, err.Error(), "")
	}
	browser, missing := a.places(asked)
	if missing != "" {
		return deny(w, http.StatusServiceUnavailable,
			fmt.Sprintf("Background answers cannot call the tool %q on this server: switch it off for this chat", missing), codeTools)
	}
	if len(browser) > 0 && (asked.Device == "" || len(asked.Device) > maxDevice) {
		return deny(w, http.StatusBadRequest, "Invalid _clientDeviceId", "")
	}
	if s, err = a.opt.Host.Authorize(r, or3cloud.PermWorkspaceWrite, history.WorkspaceID); err != nil {
		if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
			return deny(w, http.StatusForbidden, "You may not write in this workspace", "")
		}
		return err
	}
	// A client that does not know the outcome of a wish sends it again; that costs nothing.
	answer := begun{Status: "streaming", HistoryVersion: int(history.Version)}
	if asked.AdmissionID != "" {
		if answer.JobID, err = a.opt.Answers.Again(r.Context(), s.User.ID, asked.AdmissionID); err != nil {
			return notBegun(w, deny, err)
		}
		if answer.JobID != "" {
			return httpapi.WriteJSON(w, http.StatusOK, answer)
		}
	}
	to, model := a.opt.Upstreams.Of(asked.Model)
	key, lent, noKey := a.key(r, to)
	if noKey != "" {
		return deny(w, http.StatusBadRequest, noKey, "")
	}
	w.Header().Set("X-OR3-Credential-Source", "personal")
	if lent { // it is read again when it is needed
		w.Header().Set("X-OR3-Credential-Source", "server")
		key = ""
	}
	body := asked.Streamed(model)
	largest := int64(maxBackground)
	if len(asked.Functions) > 0 {
		largest -= answers.ForTools
	}
	if body.Size() > largest {
		return notBegun(w, deny, answers.ErrLarge)
	}
	budget, refused := a.take("user:" + s.User.ID)
	budget.tell(w)
	if refused != nil { // as JSON; otherwise the clients show no reason for a background start
		w.Header().Set("Retry-After", strconv.FormatInt(httpapi.Seconds(refused.wait), 10))
		return deny(w, http.StatusTooManyRequests, refused.text, "")
	}
	answer.JobID, err = a.opt.Answers.Begin(r.Context(), answers.Order{
		UserID: s.User.ID, History: asked.History, Admission: history, Asked: asked.Model, To: to, Key: key, Referer: referer(r), Body: body.Bytes(),
		Browser: browser, Device: asked.Device, WholeFields: asked.WholeFields,
	})
	if err != nil {
		return notBegun(w, deny, err)
	}
	return httpapi.WriteJSON(w, http.StatusOK, answer)
}

// maxDevice is the longest id of a browser, in bytes.
const maxDevice = 256

// inBrowser says that a function is called in the browser.
const inBrowser = "client"

// places returns the functions that the browser has, and the name of one that cannot be called; "" if there is none.
// Old clients claim that all can be called, and the model is told what cannot.
func (a *API) places(asked *completions.Request) (browser []string, missing string) {
	if asked.History == nil {
		return nil, ""
	}
	for _, name := range asked.Functions {
		switch {
		case asked.Runtimes[name] == inBrowser:
			browser = append(browser, name)
		case !a.opt.Answers.Calls(name):
			return nil, name
		}
	}
	return browser, ""
}

// announced returns what a client has announced about an answer. Old clients write the messages themselves, so there
// are only ids.
func announced(asked *completions.Request, s *or3cloud.SessionContext) (out syncwire.AdmissionEnvelope, err error) {
	if asked.History == nil {
		out.WorkspaceID, out.ThreadID, out.MessageID, out.AdmissionID = s.Workspace.ID, asked.ThreadID, asked.MessageID, asked.AdmissionID
	} else if json.Unmarshal(asked.History, &out) != nil || out.Version != syncwire.AdmissionVersion {
		return out, invalid("Invalid background history")
	}
	switch {
	case len(asked.AdmissionID) > jobs.MaxAdmissionID, asked.AdmissionID != out.AdmissionID, asked.History != nil && out.AdmissionID == "":
		return out, invalid("Invalid _backgroundAdmissionId")
	case !isID(asked.ThreadID) || asked.ThreadID != out.ThreadID:
		return out, invalid("Invalid _threadId")
	case !isID(asked.MessageID) || asked.MessageID != out.MessageID:
		return out, invalid("Invalid _messageId")
	}
	return out, nil
}

// invalid is what is wrong with a start.
type invalid string

// Error implements error.
func (i invalid) Error() string { return string(i) }

func isID(id string) bool { return id != "" && len(id) <= or3cloud.MaxChatID }

// maxBackground is the largest chat that is copied to be kept, in bytes.
const maxBackground = 1 << 20

// notBegun says why an answer does not begin.
func notBegun(w http.ResponseWriter, deny denial, err error) error {
	switch {
	case errors.Is(err, answers.ErrCancelled):
		return deny(w, http.StatusConflict, answers.ErrCancelled.Message, "admission_cancelled")
	case errors.Is(err, answers.ErrHistory):
		return deny(w, http.StatusConflict, answers.ErrHistory.Message, "background_history_conflict")
	case errors.Is(err, answers.ErrBusy):
		return deny(w, http.StatusServiceUnavailable, answers.ErrBusy.Message, "")
	case errors.Is(err, answers.ErrLarge):
		return deny(w, http.StatusRequestEntityTooLarge, answers.ErrLarge.Message, codeHistory)
	}
	var fault *or3cloud.Error
	if errors.As(err, &fault) {
		switch fault.Code {
		case or3cloud.CodeInvalid:
			return deny(w, http.StatusBadRequest, fault.Message, "")
		case or3cloud.CodeTooLarge:
			return deny(w, http.StatusRequestEntityTooLarge, fault.Message, codeHistory)
		}
	}
	return err
}
