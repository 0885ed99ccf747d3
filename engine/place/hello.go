package place

import (
	"fmt"

	or3cloud "or3.chat/cloud"
)

// Version is the version of the protocol. It stays when members and methods are added; it rises when something that was
// promised changes.
const Version = 1

// oldest is the lowest version that is still spoken.
const oldest = 1

// Prefix is the beginning of the paths of all methods.
const Prefix = "/engine/v1/"

// The paths of the greeting and of a starter's stay.
const (
	HelloPath = "/engine/hello"
	StayPath  = Prefix + "stay"
)

// Versions is a range of versions of the protocol.
type Versions struct {
	Oldest  int `json:"oldest"`
	Current int `json:"current"`
}

// Spoken are the versions of this program.
var Spoken = Versions{Oldest: oldest, Current: Version}

// String is the range in words.
func (v Versions) String() string {
	if v.Oldest == v.Current {
		return fmt.Sprintf("version %d", v.Current)
	}
	return fmt.Sprintf("versions %d to %d", v.Oldest, v.Current)
}

// Meets reports whether two ranges have a version in common.
func (v Versions) Meets(o Versions) bool { return v.Oldest <= o.Current && o.Oldest <= v.Current }

// Introduction is what a host says about itself.
type Introduction struct {
	// Client is the package that speaks and its version, such as "or3-provider-sqlite/1.4.0".
	Client string `json:"client,omitempty"`
	// Protocol are the versions that it speaks; nil is any.
	Protocol *Versions `json:"protocol,omitempty"`
}

// State is the state of an engine.
type State string

// The states.
const (
	StateStarting State = "starting" // try again in a moment
	StateReady    State = "ready"
	StateStopping State = "stopping" // another engine, or this one again, may follow
)

// Hello is what an engine says about itself.
type Hello struct {
	Protocol Versions `json:"protocol"`
	// Version is the program's.
	Version string `json:"version"`
	PID     int    `json:"pid"`
	State   State  `json:"state"`
	// Providers are the ids of those that are open; empty where the role is off or the host's own.
	Providers Roles `json:"providers"`
	// Methods are the names of those that the providers can answer. Others of the protocol answer 501.
	Methods []string `json:"methods"`
	// Sync is what a sync adapter reports in capabilities (contract, sync §10.5).
	Sync or3cloud.SyncCapabilities `json:"sync"`
	// Routes are the endpoints of providers; a host passes browsers' requests to them on.
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
	// Provider is the id of the provider that serves it.
	Provider string `json:"provider"`
}

// Name is how messages refer to the host.
func (in Introduction) Name() string {
	if in.Client == "" {
		return "the host"
	}
	return in.Client
}

// Fault is the body of every error of the protocol.
type Fault struct {
	Code    or3cloud.Code `json:"code"`
	Message string        `json:"message"`
	Status  int           `json:"status"`
	// RetryAfter is in seconds.
	RetryAfter int64 `json:"retryAfter,omitempty"`
	Data       any   `json:"data,omitempty"`
}

// StateEvent tells a starter the state of the engine.
type StateEvent struct {
	State State `json:"state"`
}
