package adminapi

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/operator"
)

const invalidRequest = "Invalid request"

type ok struct {
	OK bool `json:"ok"`
}

const needWorkspaceID = "Workspace ID is required"

// workspacesAPI are the endpoints of all workspaces (contract, workspaces-and-admin §5, §6 and Pitfalls 2 to 4).
type workspacesAPI struct{ *API }

func (a workspacesAPI) table() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "workspaces", proof: readOnly, handle: a.listWorkspaces},
		{method: http.MethodPost, path: "workspaces", proof: ownOrigin, action: audit.WorkspaceCreate, limited: true, handle: a.createWorkspace},
		{method: http.MethodGet, path: "workspaces/:id", proof: readOnly, limited: true, handle: a.describeWorkspace},
		{method: http.MethodPost, path: "workspaces/:id/soft-delete", proof: ownOrigin, action: audit.WorkspaceDelete, limited: true,
			handle: a.changeWorkspace(operator.DeleteWorkspace)},
		{method: http.MethodPost, path: "workspaces/:id/restore", proof: ownOrigin, action: audit.WorkspaceRestore,
			handle: a.changeWorkspace(operator.RestoreWorkspace)},
		// Where the host of February has them by mistake.
		{method: http.MethodPost, path: "workspaces/soft-delete", proof: ownOrigin, handle: a.unnamedWorkspace},
		{method: http.MethodPost, path: "workspaces/restore", proof: ownOrigin, handle: a.unnamedWorkspace},
	}
}

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

// number returns a parameter between two limits; a value outside them counts as the nearest limit.
func number(r *http.Request, name string, usual, least, most int) (int, error) {
	text := strings.TrimSpace(r.URL.Query().Get(name))
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // n is the nearest limit then
		return 0, invalid("Invalid query")
	}
	return min(max(n, least), most), nil
}

// workspaceSummary is a workspace as administrators see it; times are in Unix milliseconds.
type workspaceSummary struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	CreatedAt   int64  `json:"createdAt"`
	Deleted     bool   `json:"deleted"`
	DeletedAt   int64  `json:"deletedAt,omitempty"`
	OwnerUserID string `json:"ownerUserId,omitempty"`
	OwnerEmail  string `json:"ownerEmail,omitempty"`
	MemberCount int    `json:"memberCount"`
}

func summarize(ws or3cloud.WorkspaceSummary) workspaceSummary {
	s := workspaceSummary{
		ID: ws.ID, Name: ws.Name, Description: ws.Description, CreatedAt: ws.CreatedAt.UnixMilli(), Deleted: !ws.DeletedAt.IsZero(),
		OwnerUserID: ws.OwnerUserID, OwnerEmail: ws.Owner, MemberCount: ws.Members,
	}
	if s.Deleted {
		s.DeletedAt = ws.DeletedAt.UnixMilli()
	}
	return s
}

// maxPage is the highest page number that can be requested.
const maxPage = 100_000

func (a workspacesAPI) listWorkspaces(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	page, err := number(r, "page", 1, 1, maxPage)
	if err != nil {
		return err
	}
	perPage, err := number(r, "perPage", 20, 1, operator.MaxPage)
	if err != nil {
		return err
	}
	query := r.URL.Query()
	found, err := operator.SearchWorkspaces.Do(r.Context(), a.opt.Desk, operator.WorkspaceSearch{
		Text: query.Get("search"), IncludeDeleted: query.Get("includeDeleted") == "true", Offset: (page - 1) * perPage, Limit: perPage,
	})
	if err != nil {
		return err
	}
	items := make([]workspaceSummary, 0, len(found.Workspaces))
	for _, ws := range found.Workspaces {
		items = append(items, summarize(ws))
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Items []workspaceSummary `json:"items"`
		Total int                `json:"total"`
	}{items, found.Total})
}

func (a workspacesAPI) createWorkspace(w http.ResponseWriter, r *http.Request, c *Caller) error {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		OwnerUserID string `json:"ownerUserId"`
	}
	if err := httpapi.ReadJSON(r, &in, "Workspace name is required"); err != nil {
		return err
	}
	in.OwnerUserID = strings.TrimSpace(in.OwnerUserID)
	c.Target.UserID = in.OwnerUserID
	if err := or3cloud.CheckWorkspaceTexts(strings.TrimSpace(in.Name), strings.TrimSpace(in.Description)); err != nil {
		return err
	}
	if in.OwnerUserID == "" {
		return invalid("Valid owner user ID is required")
	}
	out, err := operator.CreateWorkspace.Do(r.Context(), a.opt.Desk, operator.NewWorkspace{
		Name: in.Name, Description: in.Description, OwnerUserID: in.OwnerUserID,
	})
	if err != nil {
		return err
	}
	c.Target.WorkspaceID = out.WorkspaceID
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (a workspacesAPI) describeWorkspace(w http.ResponseWriter, r *http.Request, c *Caller) error {
	id := strings.TrimSpace(r.PathValue("id"))
	if id == "" {
		return invalid(needWorkspaceID)
	}
	ws, err := operator.DescribeWorkspace.Do(r.Context(), a.opt.Desk, operator.WorkspaceID{WorkspaceID: id})
	if err != nil {
		return err
	}
	list, err := a.membersOf(r, id)
	if err != nil {
		return err
	}
	var use *storageUse
	if c.row.own { // the contract's answer has no such member
		if use, err = a.storageUse(r, id); err != nil {
			return err
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		workspaceSummary
		Members []member    `json:"members"`
		Storage *storageUse `json:"storage,omitempty"`
	}{summarize(ws), list, use})
}

// storageUse is what counts for the quotas of a workspace, for pages of our own.
type storageUse struct {
	Bytes         int64 `json:"bytes"`
	Files         int64 `json:"files"`
	ReservedBytes int64 `json:"reservedBytes"`
	ReservedFiles int64 `json:"reservedFiles"`
}

// storageUse returns what a workspace stores; nil where nothing counts it.
func (a workspacesAPI) storageUse(r *http.Request, id string) (*storageUse, error) {
	usage := instance.Ability[or3cloud.StorageUsage](a.opt.Instance.Providers(), or3cloud.ProviderSync)
	if usage == nil {
		return nil, nil
	}
	use, err := usage.StorageUsage(r.Context(), id)
	return &storageUse{use.Bytes, use.Files, use.ReservedBytes, use.ReservedFiles}, err
}

// changeWorkspace makes a handler for a change of the workspace in the path.
func (a workspacesAPI) changeWorkspace(what operator.UseCase[operator.WorkspaceID, operator.Done]) func(http.ResponseWriter, *http.Request, *Caller) error {
	return func(w http.ResponseWriter, r *http.Request, c *Caller) error {
		id := strings.TrimSpace(r.PathValue("id"))
		if id == "" {
			return invalid(needWorkspaceID)
		}
		c.Target.WorkspaceID = id
		if _, err := what.Do(r.Context(), a.opt.Desk, operator.WorkspaceID{WorkspaceID: id}); err != nil {
			return err
		}
		return httpapi.WriteJSON(w, http.StatusOK, success{Success: true})
	}
}

func (a workspacesAPI) unnamedWorkspace(http.ResponseWriter, *http.Request, *Caller) error {
	return invalid(needWorkspaceID)
}
