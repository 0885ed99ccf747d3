package storageapi

import (
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

// delete deletes a file permanently (contract, storage §8). The claim of the storage provider decides whether something
// still refers to it, in one transaction with the references, and not a check beforehand.
func (a *API) delete(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		WorkspaceID string         `json:"workspace_id"`
		Hash        string         `json:"hash"`
		StorageID   *string        `json:"storage_id"` // a hint, not looked at (contract, storage Pitfall 14)
		Unknown     jsontext.Value `json:",embed"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidRequest); err != nil {
		return err
	}
	hash, ok := or3cloud.ParseBlobHash(strings.TrimSpace(in.Hash))
	if !ok || strings.TrimSpace(in.WorkspaceID) == "" || len(in.WorkspaceID) > maxID || len(in.Unknown) > 0 {
		return errInvalid()
	}
	if _, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceWrite, in.WorkspaceID); err != nil {
		return err
	}
	deleter, ok := a.opt.Adapter.(or3cloud.ObjectDeleter)
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "Delete not supported by adapter")
	}
	if err := deleter.DeleteObject(r.Context(), in.WorkspaceID, hash); err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}
