package streamapi

import (
	"encoding/json"
	"errors"
	"net/http"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/syncwire"
)

// maxAdmissionID is the longest id of a wish for an answer in the background, in bytes.
const maxAdmissionID = 128

// The codes by which the newest client stays in the foreground for the rest of its session.
const (
	codeOff     = "background_streaming_disabled"
	codeHistory = "background_history_unsupported"
	codeTools   = "background_client_tool_unsupported"
)

// deny answers a background start in the contract's form.
func deny(w http.ResponseWriter, status int, text, code string) error {
	return httpapi.WriteJSON(w, status, struct {
		Error string `json:"error"`
		Code  string `json:"code,omitempty"`
	}{text, code})
}

// begun says that an answer is made. Clients demand the version of the history.
type begun struct {
	JobID          string `json:"jobId"`
	Status         string `json:"status"`
	HistoryVersion int    `json:"historyVersion"`
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
	case asked.History == nil: // an old client would write the answer itself, and then there were two
		return deny(w, http.StatusServiceUnavailable, "Background answers need a client that leaves their history to the server", codeHistory)
	case asked.Tools:
		return deny(w, http.StatusServiceUnavailable, "Background answers call no tools on this server", codeTools)
	}
	var history syncwire.AdmissionEnvelope
	if err := json.Unmarshal(asked.History, &history); err != nil {
		return deny(w, http.StatusBadRequest, "Invalid background history", "")
	}
	switch {
	case asked.AdmissionID == "" || len(asked.AdmissionID) > maxAdmissionID || asked.AdmissionID != history.AdmissionID:
		return deny(w, http.StatusBadRequest, "Invalid _backgroundAdmissionId", "")
	case asked.ThreadID == "" || asked.ThreadID != history.ThreadID:
		return deny(w, http.StatusBadRequest, "Invalid _threadId", "")
	case asked.MessageID == "" || asked.MessageID != history.MessageID:
		return deny(w, http.StatusBadRequest, "Invalid _messageId", "")
	case !asked.Stream:
		return deny(w, http.StatusBadRequest, "A background answer is streamed", "")
	case history.Kind == or3cloud.Continuation:
		return deny(w, http.StatusServiceUnavailable, "Background answers begin a turn on this server", codeHistory)
	}
	if s, err = a.opt.Host.Authorize(r, or3cloud.PermWorkspaceWrite, history.WorkspaceID); err != nil {
		return err
	}
	// Whoever does not know what has become of a wish sends it again; that costs nothing.
	id, err := a.opt.Answers.Again(r.Context(), s.User.ID, asked.AdmissionID)
	if err != nil {
		return a.notBegun(w, err)
	}
	if id != "" {
		return httpapi.WriteJSON(w, http.StatusOK, begun{id, "streaming", syncwire.AdmissionVersion})
	}
	to, model := a.opt.Upstreams.Of(asked.Model)
	key, lent, missing := a.key(r, to)
	if missing != "" {
		return deny(w, http.StatusBadRequest, missing, "")
	}
	w.Header().Set("X-OR3-Credential-Source", "personal")
	if lent { // it is asked for again when it is needed
		w.Header().Set("X-OR3-Credential-Source", "server")
		key = ""
	}
	body := asked.Body(model)
	if body.Size() > maxBackground {
		return a.notBegun(w, answers.ErrLarge)
	}
	budget, refused := a.take("user:" + s.User.ID)
	budget.tell(w)
	if refused != nil {
		return refuse(w, http.StatusTooManyRequests, refused.text, refused.wait)
	}
	id, err = a.opt.Answers.Begin(r.Context(), answers.Order{
		UserID: s.User.ID, History: asked.History, Admission: history, Asked: asked.Model, To: to, Key: key, Referer: referer(r), Body: body.Bytes(),
	})
	if err != nil {
		return a.notBegun(w, err)
	}
	return httpapi.WriteJSON(w, http.StatusOK, begun{id, "streaming", syncwire.AdmissionVersion})
}

// maxBackground is the largest chat that is copied in order to be kept, in bytes.
const maxBackground = 1 << 20

// notBegun says why an answer does not begin.
func (a *API) notBegun(w http.ResponseWriter, err error) error {
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
