package members

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Settings implements or3cloud.WorkspaceSettings.
type Settings struct{ e *engine.Engine }

// NewSettings returns the settings of all workspaces.
func NewSettings(e *engine.Engine) *Settings { return &Settings{e} }

// WorkspaceSetting implements or3cloud.WorkspaceSettings.
func (s *Settings) WorkspaceSetting(ctx context.Context, workspaceID, key string) (value string, found bool, err error) {
	value, err = s.e.Q.WorkspaceSetting(ctx, db.WorkspaceSettingParams{WorkspaceID: workspaceID, Key: key})
	found = err == nil
	value, err = engine.Optional(value, err)
	return value, found, err
}

// SetWorkspaceSetting implements or3cloud.WorkspaceSettings.
func (s *Settings) SetWorkspaceSetting(ctx context.Context, workspaceID, key, value string) error {
	if key == "" || len(key) > or3cloud.MaxSettingKey || len(value) > or3cloud.MaxSettingValue {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "The name of a setting has 1 to %d bytes, its value up to %d",
			or3cloud.MaxSettingKey, or3cloud.MaxSettingValue)
	}
	if err := s.e.CheckRoom(); err != nil {
		return err
	}
	return s.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		others, err := t.Q.CountOtherSettings(ctx, db.CountOtherSettingsParams{Workspace: num, Key: key})
		if err != nil {
			return err
		}
		if others >= or3cloud.MaxSettings {
			return or3cloud.Errorf(or3cloud.CodeInvalid, "A workspace has %d settings at most", or3cloud.MaxSettings)
		}
		return t.Q.SetWorkspaceSetting(ctx, db.SetWorkspaceSettingParams{Workspace: num, Key: key, Value: value})
	})
}
