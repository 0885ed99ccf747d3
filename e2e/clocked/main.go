// Command clocked is the program with stores whose clock a test moves: what waits for hours or months, above all
// collection, happens in the middle of a test of the real program. The rest, including sessions, keeps the machine's
// time.
package main

import (
	"context"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/program"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// ahead is how many seconds the stores are ahead of the machine. CLOCK_AHEAD sets it at the start.
var ahead atomic.Int64

func now() time.Time { return time.Now().Add(time.Duration(ahead.Load()) * time.Second) }

func main() {
	if n, err := strconv.ParseInt(os.Getenv("CLOCK_AHEAD"), 10, 64); err == nil {
		ahead.Store(n)
	}
	program.Main(basicauth.Register, moved(fs.Register), moved(sqlite.Register))
}

// moved registers what register does, with the clock that a test moves.
func moved(register func(*or3cloud.Registry) error) func(*or3cloud.Registry) error {
	return func(to *or3cloud.Registry) error {
		var own or3cloud.Registry
		if err := register(&own); err != nil {
			return err
		}
		for _, p := range own.Providers() {
			open := p.Open
			p.Open = func(ctx context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
				env.Now = now
				in, err := open(ctx, env)
				if err == nil && in.Sync != nil {
					in.Routes = append(in.Routes, or3cloud.Route{Method: http.MethodPost, Path: "/api/test/clock", Handle: setClock})
				}
				return in, err
			}
			if err := to.Register(p); err != nil {
				return err
			}
		}
		return nil
	}
}

// setClock reads how many seconds the stores are ahead from now on.
func setClock(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Ahead httpapi.Int `json:"ahead"`
	}
	if err := httpapi.ReadJSON(r, &in, "Invalid request"); err != nil {
		return err
	}
	ahead.Store(int64(in.Ahead))
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}
