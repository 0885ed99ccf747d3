package members

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Settings implements or3cloud.WorkspaceSettings and WorkspaceSettingsComparer.
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
	_, err := s.set(ctx, workspaceID, key, value, func(string, bool) bool { return true })
	return err
}

// CompareAndSetWorkspaceSetting implements or3cloud.WorkspaceSettingsComparer.
func (s *Settings) CompareAndSetWorkspaceSetting(ctx context.Context, workspaceID, key string, expected *string, value string) (bool, error) {
	return s.set(ctx, workspaceID, key, value, func(present string, found bool) bool {
		return found == (expected != nil) && (!found || present == *expected)
	})
}

// set stores a value if the current one may be replaced, and reports whether it has.
func (s *Settings) set(ctx context.Context, workspaceID, key, value string, may func(present string, found bool) bool) (done bool, err error) {
	if key == "" || len(key) > or3cloud.MaxSettingKey || len(value) > or3cloud.MaxSettingValue {
		return false, or3cloud.Errorf(or3cloud.CodeInvalid, "The name of a setting must have 1 to %d bytes, its value up to %d",
			or3cloud.MaxSettingKey, or3cloud.MaxSettingValue)
	}
	if err := s.e.CheckRoom(); err != nil {
		return false, err
	}
	err = s.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		done = false
		num, err := liveWorkspace(ctx, t, workspaceID)
		if err != nil {
			return err
		}
		present, err := t.Q.WorkspaceSetting(ctx, db.WorkspaceSettingParams{WorkspaceID: workspaceID, Key: key})
		found := err == nil
		if !found && !engine.NoRows(err) {
			return err
		}
		if !may(present, found) {
			return nil
		}
		others, err := t.Q.CountOtherSettings(ctx, db.CountOtherSettingsParams{Workspace: num, Key: key})
		if err != nil {
			return err
		}
		if others >= or3cloud.MaxSettings {
			return or3cloud.Errorf(or3cloud.CodeInvalid, "A workspace can have at most %d settings", or3cloud.MaxSettings)
		}
		done = true
		return t.Q.SetWorkspaceSetting(ctx, db.SetWorkspaceSettingParams{Workspace: num, Key: key, Value: value})
	})
	return done && err == nil, err
}
