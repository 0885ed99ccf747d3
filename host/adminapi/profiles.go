package adminapi

import (
	"bytes"
	"context"
	"net/http"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/setting"
)

// profilesAPI serves profiles of the program, for "go tool pprof" and "go tool trace". They say what the program does
// and not whose data it has, but making one costs time, so a setting has to allow it.
type profilesAPI struct{ *API }

func (p profilesAPI) table() []endpoint {
	return []endpoint{{method: http.MethodGet, path: "profiles/:id", may: superAdmins, proof: readOnly, credentials: true, effects: true, handle: p.profile}}
}

// The profiles of a moment, and those of a period.
var (
	ofAMoment = []string{"allocs", "block", "goroutine", "heap", "mutex", "threadcreate"}
	ofAWhile  = []string{"cpu", "trace"}
)

// mostSeconds is the longest period for a profile.
const mostSeconds = 60

func (p profilesAPI) profile(w http.ResponseWriter, r *http.Request, _ *Caller) error {
	name := r.PathValue("id")
	if !p.opt.Config.Bool(setting.AdminProfiles) || !slices.Contains(ofAMoment, name) && !slices.Contains(ofAWhile, name) {
		return httpapi.NotFound(w, r)
	}
	out, err := p.made(r, name)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.pprof"`)
	_, err = w.Write(out)
	return err
}

// made makes a profile.
func (p profilesAPI) made(r *http.Request, name string) ([]byte, error) {
	var out bytes.Buffer
	if slices.Contains(ofAMoment, name) {
		err := pprof.Lookup(name).WriteTo(&out, 0)
		return out.Bytes(), err
	}
	seconds := 10
	if text := r.URL.Query().Get("seconds"); text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 1 || seconds > mostSeconds {
			return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "A profile takes 1 to %d seconds", mostSeconds)
		}
	}
	begin, end := pprof.StartCPUProfile, pprof.StopCPUProfile
	if name == "trace" {
		begin, end = trace.Start, trace.Stop
	}
	if err := begin(&out); err != nil {
		return nil, or3cloud.Errorf(or3cloud.CodeConflict, "A profile of this kind is already being made")
	}
	ctx, stop := context.WithTimeout(r.Context(), time.Duration(seconds)*time.Second)
	defer stop()
	select {
	case <-ctx.Done():
	case <-p.opt.Instance.Closing():
	}
	end()
	return out.Bytes(), nil
}
