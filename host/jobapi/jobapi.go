// Package jobapi lets clients read background answers, and end them (contract, client-behaviour §11). A job is for its
// user alone, and only while they are a member of its workspace.
package jobapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/host/internal/seats"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/jobs"
)

// Host is what the endpoints need of the host.
type Host interface {
	or3cloud.Front
	// Reauthorize checks again whether a session that Authorize has returned for r may still do p in its workspace.
	Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error
}

// Options are what the endpoints depend on.
type Options struct {
	Host Host
	// Answers makes the answers; nil where none are made in the background: then clients are told that there are none.
	Answers *answers.Engine
	// Total is how many may read along at once.
	Total int
	// Closing ends all streams when it is closed, so that they do not hold up a shutdown.
	Closing <-chan struct{}
}

// statusMemory is what an answer with its texts and calls takes while it is written, in bytes; together they have no
// more than a text may. Streams hold it for their first event and their last.
const statusMemory = 4 * jobs.MaxText

// PerUser is how many streams of one user there may be.
const PerUser = 32

// API serves jobs.
type API struct {
	opt   Options
	seats *seats.Seats
}

// New returns the API.
func New(o Options) *API {
	return &API{opt: o, seats: seats.New(seats.Bounds{PerOwner: PerUser, Total: o.Total})}
}

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	routes := []or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/jobs/admission/:id", Handle: a.admission},
		{Method: http.MethodPost, Path: "/api/jobs/admission-abort", Handle: a.abortAdmission},
		{Method: http.MethodGet, Path: "/api/jobs/client-tool/capability", Handle: a.clientTools},
	}
	if a.opt.Answers == nil {
		return routes
	}
	return append(routes,
		or3cloud.Route{Method: http.MethodGet, Path: "/api/jobs/:id/status", Buffer: statusMemory, Handle: a.status},
		or3cloud.Route{Method: http.MethodGet, Path: "/api/jobs/:id/stream", Buffer: statusMemory, Effects: true, Handle: a.stream},
		or3cloud.Route{Method: http.MethodPost, Path: "/api/jobs/:id/abort", Handle: a.abort},
		or3cloud.Route{Method: http.MethodPost, Path: "/api/jobs/:id/client-tool/claim", Handle: a.claimTool},
		or3cloud.Route{Method: http.MethodPost, Path: "/api/jobs/:id/client-tool/validate", Handle: a.validateTool},
		or3cloud.Route{Method: http.MethodPost, Path: "/api/jobs/:id/client-tool/result", MaxBody: maxToolResult, Handle: a.settleTool})
}

// The bodies of the contract.
type (
	jobError struct {
		Error string `json:"error"`
	}
	aborted struct {
		Aborted bool   `json:"aborted"`
		Message string `json:"message,omitempty"`
		Error   string `json:"error,omitempty"`
	}
	abortState struct {
		Aborted bool   `json:"aborted"`
		Pending bool   `json:"pending"`
		JobID   string `json:"jobId,omitempty"`
		State   string `json:"state,omitempty"`
		Error   string `json:"error,omitempty"`
	}
	admission struct {
		JobID     string      `json:"jobId"`
		Status    jobs.Status `json:"status"`
		ThreadID  string      `json:"threadId"`
		MessageID string      `json:"messageId"`
	}
)

const (
	noSession = "Authentication required"
	noJob     = "Job not found or unauthorized"
	notOpen   = "Job not found, unauthorized, or already complete"
)

// user returns the sender; "" if no one is signed in.
func (a *API) user(r *http.Request) (string, error) {
	s, err := a.opt.Host.Session(r)
	if err != nil || !s.Authenticated {
		return "", err
	}
	return s.User.ID, nil
}

// allow checks whether a user may do p with a job: in the job's own workspace, whichever is active.
func (a *API) allow(r *http.Request, p or3cloud.Permission, job *jobs.Job) (*or3cloud.SessionContext, error) {
	if job.WorkspaceID == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeForbidden, "The job does not belong to a workspace")
	}
	return a.opt.Host.Authorize(r, p, job.WorkspaceID)
}

// find returns the job of a request, with what its reader does not have yet, or answers why not.
func (a *API) find(w http.ResponseWriter, r *http.Request) (job *jobs.View, from jobs.Place, s *or3cloud.SessionContext, err error) {
	refuse := func(status int, text string) (*jobs.View, jobs.Place, *or3cloud.SessionContext, error) {
		return nil, from, nil, httpapi.WriteJSON(w, status, jobError{text})
	}
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		return refuse(http.StatusBadRequest, "Missing job ID")
	}
	user, err := a.user(r)
	switch {
	case err != nil:
		return nil, from, nil, err
	case user == "":
		return refuse(http.StatusUnauthorized, noSession)
	}
	from.Content, from.Attempt = max(number(r, "offset"), 0), max(number(r, "attempt"), 0)
	view, err := a.opt.Answers.Get(r.Context(), id, user, from)
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
		return refuse(http.StatusNotFound, noJob)
	case err != nil:
		return nil, from, nil, err
	}
	s, err = a.allow(r, or3cloud.PermWorkspaceRead, &view.Job)
	return &view, from, s, err
}

// number returns a parameter that is a whole number, or -1: anything else counts as absent.
func number(r *http.Request, name string) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return -1
	}
	return n
}

func (a *API) status(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	job, from, _, err := a.find(w, r)
	if err != nil || job == nil {
		return err
	}
	out := about(&job.Job)
	out.thoughts(job)
	if number(r, "offset") < 0 {
		out.whole(job)
	} else {
		out.part(job, from)
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a *API) abort(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		return httpapi.WriteJSON(w, http.StatusBadRequest, aborted{Error: "Missing job ID"})
	}
	user, err := a.user(r)
	switch {
	case err != nil:
		return err
	case user == "":
		return httpapi.WriteJSON(w, http.StatusUnauthorized, aborted{Error: noSession})
	}
	job, err := a.opt.Answers.Get(r.Context(), id, user, jobs.Place{})
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
		return httpapi.WriteJSON(w, http.StatusOK, aborted{Message: notOpen})
	case err != nil:
		return err
	}
	if _, err := a.allow(r, or3cloud.PermWorkspaceWrite, &job.Job); err != nil {
		return err
	}
	done, err := a.opt.Answers.Abort(r.Context(), id, user)
	switch {
	case err != nil:
		return err
	case !done:
		return httpapi.WriteJSON(w, http.StatusOK, aborted{Message: notOpen})
	}
	return httpapi.WriteJSON(w, http.StatusOK, aborted{Aborted: true})
}

func isAdmissionID(id string) bool { return id != "" && len(id) <= jobs.MaxAdmissionID }

func (a *API) admission(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	id := strings.TrimSpace(r.PathValue("id"))
	if !isAdmissionID(id) {
		return httpapi.WriteJSON(w, http.StatusBadRequest, jobError{"Missing admission ID"})
	}
	user, err := a.user(r)
	switch {
	case err != nil:
		return err
	case user == "":
		return httpapi.WriteJSON(w, http.StatusUnauthorized, jobError{noSession})
	}
	job, err := a.wish(r, user, id)
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeNotFound: // so that a client that does not know the outcome of its request may send it again
		return httpapi.WriteJSON(w, http.StatusNotFound, jobError{"No job for this admission"})
	case err != nil:
		return err
	}
	if _, err := a.allow(r, or3cloud.PermWorkspaceRead, &job); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, admission{job.ID, job.Status, job.ThreadID, job.MessageID})
}

// wish returns the job of a wish; CodeNotFound if there is none.
func (a *API) wish(r *http.Request, user, id string) (jobs.Job, error) {
	if a.opt.Answers == nil {
		return jobs.Job{}, or3cloud.Errorf(or3cloud.CodeNotFound, "No answers are made in the background")
	}
	return a.opt.Answers.Find(r.Context(), user, id)
}

// abortAdmission withdraws a wish. It needs no role: a user who has lost theirs may still stop what is made in their
// name.
func (a *API) abortAdmission(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoStore(w)
	var in struct {
		AdmissionID string `json:"admissionId"`
	}
	err := httpapi.ReadJSON(r, &in, "Missing admission ID")
	if code := or3cloud.CodeOf(err); err != nil && code != or3cloud.CodeInvalid {
		return err
	}
	id := strings.TrimSpace(in.AdmissionID)
	if err != nil || !isAdmissionID(id) {
		return httpapi.WriteJSON(w, http.StatusBadRequest, abortState{Error: "Missing admission ID"})
	}
	user, err := a.user(r)
	switch {
	case err != nil:
		return err
	case user == "":
		return httpapi.WriteJSON(w, http.StatusUnauthorized, abortState{Error: noSession})
	}
	var out jobs.Cancellation
	if a.opt.Answers != nil {
		if out, err = a.opt.Answers.Cancel(r.Context(), user, id); err != nil {
			return err
		}
	}
	state := "already_terminal"
	if out.Aborted {
		state = "aborted"
	} else if out.Pending {
		state = "cancel_requested"
	}
	return httpapi.WriteJSON(w, http.StatusOK, abortState{Aborted: out.Aborted, Pending: out.Pending, JobID: out.JobID, State: state})
}

// comeBack is when a client that found no seat may try again.
const comeBack = 5 * time.Second
