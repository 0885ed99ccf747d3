package engine

import (
	"fmt"
	"net/http"
	"os"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// hello says which versions are spoken here, in any state.
func (e *Engine) hello(w http.ResponseWriter, r *http.Request) error {
	var in place.Introduction
	httpapi.LimitBody(w, r, httpapi.SmallBody)
	if err := httpapi.ReadJSON(r, &in, "Invalid introduction"); err != nil {
		return err
	}
	out := e.present()
	if in.Protocol != nil && !place.Spoken.Meets(*in.Protocol) {
		return &or3cloud.Error{
			Code: or3cloud.CodeConflict, Data: out,
			Message: fmt.Sprintf("or3-cloud %s speaks %s of the engine protocol, and %.200s speaks %s; install versions of the two that fit together",
				e.opt.Version, place.Spoken, in.Name(), *in.Protocol),
		}
	}
	return httpapi.WriteJSON(w, http.StatusOK, out)
}

// present is the current hello.
func (e *Engine) present() place.Hello {
	out := place.Hello{Protocol: place.Spoken, Version: e.opt.Version, PID: os.Getpid(), State: place.StateStarting, Methods: []string{}, Routes: []place.Endpoint{}}
	switch run := e.running.Load(); {
	case e.instance.ShuttingDown():
		out.State = place.StateStopping
	case run != nil && e.instance.Ready():
		out = run.hello
	}
	return out
}

// describe is the hello of an opened engine.
func (e *Engine) describe(p *instance.Providers, methods []string) place.Hello {
	plan := e.instance.Plan()
	out := place.Hello{
		Protocol: place.Spoken, Version: e.opt.Version, PID: os.Getpid(), State: place.StateReady, Methods: methods, Routes: []place.Endpoint{},
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
		out.Routes = append(out.Routes, place.Endpoint{Method: r.Method, Path: r.Path, Provider: r.Owner})
	}
	return out
}

// Spoken returns the versions of the protocol that are spoken.
func (e *Engine) Spoken() place.Versions { return place.Spoken }
