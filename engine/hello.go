package engine

import (
	"fmt"
	"net/http"
	"os"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// Version is the version of the protocol. Members and methods are added without another number; it rises when something that
// was promised changes.
const Version = 1

// oldest is the lowest version that is still spoken.
const oldest = 1

// Prefix is what the paths of all methods begin with.
const Prefix = "/engine/v1/"

// Versions is a range of versions of the protocol.
type Versions struct {
	Oldest  int `json:"oldest"`
	Current int `json:"current"`
}

// spoken are the versions of this program.
var spoken = Versions{Oldest: oldest, Current: Version}

// String is the range as people read it.
func (v Versions) String() string {
	if v.Oldest == v.Current {
		return fmt.Sprintf("version %d", v.Current)
	}
	return fmt.Sprintf("versions %d to %d", v.Oldest, v.Current)
}

// meets reports whether two ranges have a version in common.
func (v Versions) meets(o Versions) bool { return v.Oldest <= o.Current && o.Oldest <= v.Current }

// Introduction is what a host says of itself.
type Introduction struct {
	// Client is the package that speaks and its version, such as "or3-provider-sqlite/1.4.0".
	Client string `json:"client,omitempty"`
	// Protocol are the versions that it speaks; nil is any.
	Protocol *Versions `json:"protocol,omitempty"`
}

// State is how far an engine is.
type State string

// The states.
const (
	StateStarting State = "starting" // ask again in a moment
	StateReady    State = "ready"
	StateStopping State = "stopping" // another engine, or this one again, may come after it
)

// Hello is what an engine says of itself.
type Hello struct {
	Protocol Versions `json:"protocol"`
	// Version is the program's.
	Version string `json:"version"`
	PID     int    `json:"pid"`
	State   State  `json:"state"`
	// Providers are the ids of those that are open; empty is none, where the role is off or the host's own.
	Providers Roles `json:"providers"`
	// Methods are those that the providers can answer, by name. Others of the protocol answer 501.
	Methods []string `json:"methods"`
	// Sync is what a sync adapter says of itself in capabilities (contract, sync §10.5).
	Sync or3cloud.SyncCapabilities `json:"sync"`
	// Routes are the endpoints of providers, to which a host passes on what browsers send.
	Routes []Endpoint `json:"routes"`
}

// Roles are three providers.
type Roles struct {
	Auth    string `json:"auth"`
	Sync    string `json:"sync"`
	Storage string `json:"storage"`
}

// Endpoint is a route that a provider serves.
type Endpoint struct {
	Method string `json:"method"`
	// Path may end in /:id, which stands for one segment.
	Path string `json:"path"`
	// Provider is whose it is.
	Provider string `json:"provider"`
}

// hello says what is spoken here, whatever the state.
func (e *Engine) hello(w http.ResponseWriter, r *http.Request) error {
	var in Introduction
	httpapi.LimitBody(w, r, httpapi.SmallBody)
	if err := httpapi.ReadJSON(r, &in, "Invalid introduction"); err != nil {
		return err
	}
	out := e.present()
	if in.Protocol != nil && !spoken.meets(*in.Protocol) {
		return &or3cloud.Error{
			Code: or3cloud.CodeConflict, Data: out,
			Message: fmt.Sprintf("or3-cloud %s speaks %s of the engine protocol, and %.200s speaks %s; install the two in versions that belong together",
				e.opt.Version, spoken, in.name(), *in.Protocol),
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

func (in Introduction) name() string {
	if in.Client == "" {
		return "the host"
	}
	return in.Client
}

// present is the hello of this moment.
func (e *Engine) present() Hello {
	out := Hello{Protocol: spoken, Version: e.opt.Version, PID: os.Getpid(), State: StateStarting, Methods: []string{}, Routes: []Endpoint{}}
	switch run := e.running.Load(); {
	case e.instance.ShuttingDown():
		out.State = StateStopping
	case run != nil && e.instance.Ready():
		out = run.hello
	}
	return out
}

// describe is the hello of an opened engine.
func (e *Engine) describe(p *instance.Providers, methods []string) Hello {
	plan := e.instance.Plan()
	out := Hello{
		Protocol: spoken, Version: e.opt.Version, PID: os.Getpid(), State: StateReady, Methods: methods, Routes: []Endpoint{},
	}
	for _, r := range []struct {
		role instance.Role
		id   *string
	}{{plan.Auth, &out.Providers.Auth}, {plan.Sync, &out.Providers.Sync}, {plan.Storage, &out.Providers.Storage}} {
		if r.role.On {
			*r.id = r.role.ID
		}
	}
	if c := instance.Ability[or3cloud.CapabilityReporter](p, or3cloud.ProviderSync); c != nil && p.Sync != nil {
		out.Sync = c.SyncCapabilities()
	}
	for _, r := range p.Routes {
		out.Routes = append(out.Routes, Endpoint{Method: r.Method, Path: r.Path, Provider: r.Owner})
	}
	return out
}

// Spoken returns the versions of the protocol that are spoken.
func (e *Engine) Spoken() Versions { return spoken }
