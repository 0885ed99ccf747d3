// Package healthapi serves GET /api/health and /api/healthz (contract, workspaces-and-admin §10), and GET
// /api/health/ready. They answer at once, even while the stores are still opening: nothing is contacted.
package healthapi

import (
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/diskspace"
)

// Feature is the state of one provider as the deep answer shows it.
type Feature struct {
	// Available is whether the feature is switched on and its provider is there.
	Available bool `json:"available"`
	// Provider is the configured id.
	Provider string `json:"provider,omitempty"`
	// Maintenance is what the provider's background maintenance is doing; nil if there is none or it is not known.
	Maintenance *or3cloud.MaintenanceState `json:"maintenance,omitempty"`
	// Integrity is the condition of the stored files; nil if the provider does not check them.
	Integrity *or3cloud.IntegrityState `json:"integrity,omitempty"`
	// Database is the condition of the provider's database; nil if it has none of its own or does not check it.
	Database *or3cloud.DatabaseState `json:"database,omitempty"`
}

// Features are the three providers.
type Features struct {
	Sync    Feature `json:"sync"`
	Storage Feature `json:"storage"`
	Auth    Feature `json:"auth"`
}

// Options are what the answers are made from.
type Options struct {
	Started  time.Time
	Now      func() time.Time
	Features Features
	// Degraded says that something is switched on whose provider is missing.
	Degraded bool
	// Maintenance, if set, returns the state of the sync provider's maintenance, or nil. It must answer at once.
	Maintenance func() *or3cloud.MaintenanceState
	// Integrity, if set, returns the condition of the stored files, or nil. It must answer at once.
	Integrity func() *or3cloud.IntegrityState
	// Database, if set, returns the condition of a provider's database, or nil. It must answer at once.
	Database func(or3cloud.ProviderKind) *or3cloud.DatabaseState
	// Disk, if set, returns how much space there is, or nil. It must answer at once.
	Disk func() *diskspace.Report
	// Ready, if set, returns nil while every route is served, and otherwise the error that clients get.
	Ready func() error
}

// API answers probes.
type API struct{ opt Options }

// New returns the API.
func New(o Options) *API { return &API{o} }

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodGet, Path: "/api/health", Handle: a.health},
		{Method: http.MethodGet, Path: "/api/health/ready", Handle: a.ready},
		{Method: http.MethodGet, Path: "/api/healthz", Handle: a.healthz},
	}
}

type report struct {
	Status    string            `json:"status"`
	Timestamp string            `json:"timestamp"`
	Uptime    float64           `json:"uptime"` // seconds
	Providers *Features         `json:"providers,omitempty"`
	Disk      *diskspace.Report `json:"disk,omitempty"`
}

func (a *API) health(w http.ResponseWriter, r *http.Request) error {
	now := a.opt.Now()
	rep := report{
		Status:    "ok",
		Timestamp: now.UTC().Format("2006-01-02T15:04:05.000Z"),
		Uptime:    now.Sub(a.opt.Started).Seconds(),
	}
	if a.opt.Degraded {
		rep.Status = "degraded"
	}
	if r.URL.Query().Get("deep") == "true" {
		features := a.opt.Features
		if a.opt.Maintenance != nil {
			// A failed run is for the operator to look at; the service itself is still well (contract,
			// workspaces-and-admin §10).
			features.Sync.Maintenance = a.opt.Maintenance()
		}
		if a.opt.Integrity != nil {
			features.Storage.Integrity = a.opt.Integrity()
		}
		if a.opt.Database != nil {
			features.Sync.Database, features.Auth.Database = a.opt.Database(or3cloud.ProviderSync), a.opt.Database(or3cloud.ProviderAuth)
			for _, d := range []*or3cloud.DatabaseState{features.Sync.Database, features.Auth.Database} {
				if d != nil && d.State == or3cloud.DatabaseDamaged {
					rep.Status = "degraded"
				}
			}
		}
		rep.Providers = &features
		if a.opt.Disk != nil {
			rep.Disk = a.opt.Disk()
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, rep)
}

// ready is for load balancers that send traffic only to servers that can answer it. Unlike health, which says that the
// process lives, it is 503 while the stores open, during a shutdown and after a fatal error.
func (a *API) ready(w http.ResponseWriter, _ *http.Request) error {
	httpapi.NoStore(w)
	if a.opt.Ready != nil {
		if err := a.opt.Ready(); err != nil {
			return err
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Ready bool `json:"ready"`
	}{true})
}

func (a *API) healthz(w http.ResponseWriter, _ *http.Request) error {
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		OK      bool   `json:"ok"`
		Service string `json:"service"`
	}{true, "or3-chat"})
}
