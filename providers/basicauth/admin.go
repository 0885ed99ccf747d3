package basicauth

import (
	"context"

	or3cloud "or3.chat/cloud"
)

// admin shows the provider to administrators (contract, workspaces-and-admin §8). It has no actions.
type admin struct{ opts options }

// GetStatus implements or3cloud.ProviderAdminAdapter.
func (a admin) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	s := or3cloud.AdminStatus{
		Details: map[string]any{
			"dbPath":                  a.opts.dbPath,
			"jwtSecretConfigured":     a.opts.jwtSecretSet,
			"refreshSecretConfigured": a.opts.refreshSecretSet,
			"bootstrapConfigured":     a.opts.bootstrapEmail != "" && a.opts.bootstrapPassword != "",
			"accessTtlSeconds":        int64(a.opts.accessTTL.Seconds()),
			"refreshTtlSeconds":       int64(a.opts.refreshTTL.Seconds()),
		},
		Warnings: []or3cloud.AdminWarning{},
		Actions:  []or3cloud.AdminAction{},
	}
	for _, w := range a.opts.warnings {
		s.Warnings = append(s.Warnings, or3cloud.AdminWarning{Level: "warning", Message: w.String()})
	}
	return s, nil
}
