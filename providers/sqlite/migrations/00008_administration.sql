-- +goose Up

-- What a host's administration sets for a workspace (or3cloud.WorkspaceSettings).
CREATE TABLE workspace_settings (
  workspace INTEGER NOT NULL REFERENCES workspaces (num),
  key       TEXT NOT NULL,
  value     TEXT NOT NULL,
  PRIMARY KEY (workspace, key)
) STRICT, WITHOUT ROWID;

-- Who may administer the whole deployment (or3cloud.DeploymentAdminStore). granted_by is a user; empty when it was an
-- operator.
CREATE TABLE deployment_admins (
  user_id    TEXT PRIMARY KEY REFERENCES users (id),
  granted_by TEXT NOT NULL,
  granted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
