package engine

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
)

// method is one endpoint of the protocol: a method of a contract, or a stream of what a contract reports over time.
type method struct {
	// name is the path below Prefix; hello uses it to say that the method is available.
	name string
	// help is what it does, in a sentence, for the description.
	help string
	// in and out are the types of the bodies; nil means none. For a stream, out is the type of its events.
	in, out reflect.Type
	stream  bool
	// query are the parameters of a stream.
	query []string
	// forUser says that the caller must name a user.
	forUser bool
	// serve returns the route that serves it; nil if the providers cannot.
	serve func(e *Engine, p *instance.Providers) *or3cloud.Route
}

// protocol are all methods, in the order in which they are described.
func protocol() []method {
	var all []method
	for _, part := range [][]method{authMethods(), workspaceMethods(), accessMethods(), settingMethods(), syncMethods(), storageMethods(), adminMethods(),
		jobMethods()} {
		all = append(all, part...)
	}
	return all
}

// route returns the route of a method, and whether the providers can answer it. If they cannot, the route says so.
func (m method) route(e *Engine, p *instance.Providers) (or3cloud.Route, bool) {
	verb := http.MethodPost
	if m.stream {
		verb = http.MethodGet
	}
	route := m.serve(e, p)
	if route == nil {
		return or3cloud.Route{Method: verb, Path: place.Prefix + m.name, Handle: func(http.ResponseWriter, *http.Request) error {
			return or3cloud.Errorf(or3cloud.CodeUnsupported, "The configured providers do not offer %s", m.name)
		}}, false
	}
	served := *route
	served.Method, served.Path = verb, place.Prefix+m.name
	return served, true
}

// bodyLimit is the largest body of a method, in bytes. Most of it may be the headers of a browser.
const bodyLimit = 64 << 10

// call is one call of a method.
type call struct {
	context.Context
	engine *Engine
	caller Caller
}

// user returns the user on whose behalf the host acts.
func (c call) user() (string, error) {
	if c.caller.User == nil {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "The header %s does not name a user", callerHeader)
	}
	return c.caller.User.ID, nil
}

// nothing is the body of an answer that only says that it was done.
type nothing struct{}

// does makes a method from a function on an ability, which find looks for. Required text members may not be blank: no
// id or name is.
func does[Ability, In, Out any](name, help string, find func(*instance.Providers) Ability, run func(call, Ability, In) (Out, error)) method {
	return method{
		name: name, help: help, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		serve: func(e *Engine, p *instance.Providers) *or3cloud.Route {
			ability := find(p)
			if any(ability) == nil {
				return nil
			}
			return &or3cloud.Route{MaxBody: bodyLimit, Handle: func(w http.ResponseWriter, r *http.Request) error {
				var in In
				if err := httpapi.ReadJSON(r, &in, "Invalid "+name+" request"); err != nil {
					return err
				}
				if lacking := blank(reflect.ValueOf(in)); lacking != "" {
					return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid %s request: %s is missing", name, lacking)
				}
				out, err := run(call{r.Context(), e, callerOf(r).Caller}, ability, in)
				if err != nil {
					return err
				}
				return httpapi.WriteJSON(w, http.StatusOK, out)
			}}
		},
	}
}

// by returns a find for an ability of the provider in a role.
func by[Ability any](kind or3cloud.ProviderKind) func(*instance.Providers) Ability {
	return func(p *instance.Providers) Ability { return instance.Ability[Ability](p, kind) }
}

// asUser marks a method that is done for a user.
func (m method) asUser() method {
	m.forUser = true
	return m
}

// of limits the bodies of a method to n bytes.
func (m method) of(n int64) method {
	serve := m.serve
	m.serve = func(e *Engine, p *instance.Providers) *or3cloud.Route {
		route := serve(e, p)
		if route != nil {
			route.MaxBody = n
		}
		return route
	}
	return m
}

// blank returns the name of a required member that is blank, "" if there is none.
func blank(v reflect.Value) string {
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		optional := strings.Contains(options, "omit")
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			if !optional && strings.TrimSpace(f.String()) == "" {
				return name
			}
		case reflect.Struct:
			if lacking := blank(f); lacking != "" {
				if name != "" {
					lacking = name + "." + lacking
				}
				return lacking
			}
		}
	}
	return ""
}
