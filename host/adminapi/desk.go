package adminapi

import (
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/operator"
)

// deskAPI are the endpoints of jobs, mail, the audit trail, and the program, for our own pages.
type deskAPI struct{ *API }

func (a deskAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "jobs", proof: readOnly, handle: a.jobs},
		{method: http.MethodPost, path: "jobs/:id/abort", action: audit.JobAbort, handle: a.abortJob},
		{method: http.MethodGet, path: "mail", proof: readOnly, handle: a.mail},
		{method: http.MethodGet, path: "audit", proof: readOnly, handle: a.audit},
		{method: http.MethodGet, path: "about", proof: readOnly, handle: a.about},
	}
}

func (a deskAPI) jobs(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	asked, err := page(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	out, err := operator.ListJobs.Do(r.Context(), a.opt.Desk, operator.JobQuery{
		Status: jobs.Status(query.Get("status")), WorkspaceID: query.Get("workspaceId"), User: query.Get("user"), Before: asked.Cursor, Limit: asked.Limit + 1,
	})
	if err != nil {
		return err
	}
	list := struct {
		operator.Jobs
		Counts jobs.Counts `json:"counts"`
		Next   string      `json:"next,omitempty"`
	}{Jobs: out}
	if len(list.Jobs.Jobs) > asked.Limit {
		list.Jobs.Jobs = list.Jobs.Jobs[:asked.Limit]
		list.Next = list.Jobs.Jobs[asked.Limit-1].ID
	}
	list.Counts, err = operator.CountJobs.Do(r.Context(), a.opt.Desk, operator.Nothing{})
	return answer(w, list, err)
}

func (a deskAPI) abortJob(w http.ResponseWriter, r *http.Request, c *Caller) error {
	c.Target.Object = r.PathValue("id")
	out, err := operator.AbortJob.Do(r.Context(), a.opt.Desk, operator.JobID{JobID: c.Target.Object})
	return answer(w, out, err)
}

func (a deskAPI) mail(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	out, err := operator.ReportMail.Do(r.Context(), a.opt.Desk, operator.Nothing{})
	return answer(w, out, err)
}

func (a deskAPI) audit(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	asked, err := page(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	search := audit.Query{
		Actor: strings.TrimSpace(query.Get("actor")), Action: strings.TrimSpace(query.Get("action")), WorkspaceID: strings.TrimSpace(query.Get("workspaceId")),
		Outcome: audit.Outcome(query.Get("outcome")), Cursor: asked.Cursor, Limit: asked.Limit,
	}
	for name, at := range map[string]*time.Time{"since": &search.Since, "until": &search.Until} {
		text := query.Get(name)
		if text == "" {
			continue
		}
		if *at, err = time.Parse(time.RFC3339, text); err != nil {
			return invalid("Invalid query")
		}
	}
	out, err := operator.ListAudit.Do(r.Context(), a.opt.Desk, search)
	return answer(w, out, err)
}

func (a deskAPI) about(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	if a.opt.Program.About == nil {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "This server was not started by or3-cloud serve, so it does not know what it is made of.")
	}
	return answer(w, a.opt.Program.About, nil)
}
