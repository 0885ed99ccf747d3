// Package vault provides the secrets of a server, and owns its data directory.
package vault

import (
	"fmt"
	"log/slog"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/datadir"
)

// Vault provides configured secrets, and outside strict mode generated ones. It implements or3cloud.Stores for a
// directory that is opened after the host is made.
type Vault struct {
	*config.Config
	// Dir is the data directory, once it is open.
	Dir *datadir.Dir
}

// Secret returns the secret that is stored under the name of a variable.
func (v *Vault) Secret(name string) (string, error) {
	s, ok := v.Lookup(name)
	if !ok {
		return "", fmt.Errorf("no setting is named %s", name)
	}
	if s.Text != "" {
		return s.Text, nil
	}
	if v.Strict() || v.Dir == nil {
		p := s.Setting.Missing()
		return "", fmt.Errorf("%s %s: %s", p.Variable, p.Fault, p.Fix)
	}
	return v.Dir.Secret(name)
}

// Admit implements or3cloud.Stores.
func (v *Vault) Admit(name string, found or3cloud.StoreFound) (or3cloud.StoreAdmission, error) {
	return v.Dir.Admit(name, found)
}

// Confirm implements or3cloud.Stores.
func (v *Vault) Confirm(stamp or3cloud.StoreStamp) error { return v.Dir.Confirm(stamp) }

// Opened notes that all stores of the directory are open.
func (v *Vault) Opened(log *slog.Logger) {
	if v.Dir == nil {
		return
	}
	if err := v.Dir.Opened(); err != nil {
		log.Warn("it cannot be recorded that this data directory is the original; the next start may not notice if it was copied", "error", err)
	}
}

// Close closes the directory.
func (v *Vault) Close() error {
	if v.Dir == nil {
		return nil
	}
	return v.Dir.Close()
}
