package adminapi

import (
	"net/http"
	"strings"

	"or3.chat/cloud/census"
	"or3.chat/cloud/operator"
)

// censusAPI are the endpoints of what there is altogether, and of what workspaces take, for our own pages.
type censusAPI struct{ *API }

func (a censusAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "totals", proof: readOnly, handle: a.totals},
		{method: http.MethodGet, path: "workspace-census", proof: readOnly, handle: a.workspaces},
		{method: http.MethodGet, path: "workspaces/:id/sync", proof: readOnly, handle: a.sync},
		{method: http.MethodGet, path: "workspaces/:id/stored", proof: readOnly, handle: a.stored},
	}
}

func (a censusAPI) totals(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	out, err := operator.CountAll.Do(r.Context(), a.opt.Desk, operator.Nothing{})
	return answer(w, out, err)
}

func (a censusAPI) workspaces(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	asked, err := page(r)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	out, err := operator.WeighWorkspaces.Do(r.Context(), a.opt.Desk, operator.WorkspaceCensus{
		Text: query.Get("search"), Order: census.WorkspaceOrder(query.Get("order")), IncludeDeleted: query.Get("includeDeleted") == "true", PageQuery: asked,
	})
	return answer(w, out, err)
}

func (a censusAPI) sync(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	out, err := operator.DescribeSync.Do(r.Context(), a.opt.Desk, operator.WorkspaceID{WorkspaceID: strings.TrimSpace(r.PathValue("id"))})
	return answer(w, out, err)
}

// stored says what is stored of a workspace, by state. It reads the directory of the files.
func (a censusAPI) stored(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	out, err := operator.CollectFiles.Do(r.Context(), a.opt.Desk, operator.Collecting{WorkspaceID: strings.TrimSpace(r.PathValue("id")), DryRun: true})
	return answer(w, struct {
		Stored operator.StoredTotals `json:"stored"`
		// Going is how much a collection would take a step further.
		Going int `json:"going"`
	}{out.Stored, len(out.Going)}, err)
}
