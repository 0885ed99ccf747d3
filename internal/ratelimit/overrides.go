package ratelimit

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// The largest values that an override may have: a limiter remembers each hit in a window, for every user.
const (
	MostRequests  = 1_000_000
	LongestWindow = or3cloud.LongestRateWindow
)

// Limits returns the limit of each operation that the server offers and that overrides, the value of
// OR3_RATE_LIMIT_OVERRIDES_JSON, may change. A missing or invalid member of an override leaves the default. A value
// that is too large becomes the largest allowed. faults lists whatever was not taken literally.
//
// The text is {"sync:push":{"windowMs":60000,"maxRequests":200}}. Numbers must be positive and are floored.
func Limits(overrides string) (limits map[Operation]Limit, faults []string) {
	limits = map[Operation]Limit{}
	known := map[Operation]Budget{}
	for _, b := range Budgets() {
		known[b.Operation] = b
		if b.Offered && b.By == setting.RateLimitOverrides {
			limits[b.Operation] = b.Limit
		}
	}
	var raw map[Operation]json.RawMessage
	switch text := []byte(overrides); {
	case overrides == "":
	case !json.Valid(text):
		faults = append(faults, "is not JSON and is ignored")
	case json.Unmarshal(text, &raw) != nil || raw == nil:
		faults = append(faults, "is not an object and is ignored")
	}
	for _, op := range slices.Sorted(maps.Keys(raw)) {
		b, ok := known[op]
		switch {
		case !ok:
			faults = append(faults, fmt.Sprintf("names %q, which is not an operation", op))
			continue
		case b.By != setting.RateLimitOverrides:
			faults = append(faults, fmt.Sprintf("names %q, whose limit is not changed here", op))
			continue
		}
		limit, said := override(b.Limit, raw[op])
		for _, fault := range said {
			faults = append(faults, fmt.Sprintf("has for %q %s", op, fault))
		}
		if b.Offered {
			limits[op] = limit
		}
	}
	if up := limits[StorageUpload]; !limits[StorageCommit].covers(up) {
		limits[StorageCommit] = up // an upload that cannot be committed is lost
	}
	return limits, faults
}

// covers reports whether l allows everything that another limit allows.
func (l Limit) covers(other Limit) bool {
	windows := (l.Window + other.Window - 1) / other.Window // the number of other's windows in one of l's
	return int64(l.Max) >= int64(other.Max)*int64(windows)
}

// Off reports whether a configuration disables the limits of Limits.
func Off(cfg or3cloud.Config, production bool) bool {
	return !cfg.Bool(setting.LimitsEnabled) || AllOff(cfg, production)
}

// AllOff reports whether a configuration disables all limits of the host, including those of the administration, as
// tests do. In production, none can: DISABLE_RATE_LIMIT must not open the door to the administration (contract, env
// Pitfall 6).
func AllOff(cfg or3cloud.Config, production bool) bool {
	return cfg.String(setting.DisableRateLimit) == "1" && !production
}

// override changes a limit.
func override(limit Limit, text json.RawMessage) (_ Limit, faults []string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		return limit, []string{"no object such as {\"windowMs\":60000,\"maxRequests\":200}"}
	}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		most := map[string]float64{"windowMs": float64(LongestWindow / time.Millisecond), "maxRequests": MostRequests}[name]
		if most == 0 {
			faults = append(faults, fmt.Sprintf("the member %q, which says nothing", name))
			continue
		}
		n, fault := positive(members[name], most)
		if fault != "" {
			faults = append(faults, name+" "+fault)
		}
		switch {
		case n == 0:
		case name == "windowMs":
			limit.Window = time.Duration(n) * time.Millisecond
		default:
			limit.Max = int(n)
		}
	}
	return limit, faults
}

// positive parses a number of at least 1. n is 0 if there is none.
func positive(text json.RawMessage, most float64) (n int64, fault string) {
	var f *float64
	if json.Unmarshal(text, &f) != nil || f == nil {
		switch { // numbers too large for a float
		case text[0] == '-':
			return 0, "below 1"
		case text[0] >= '0' && text[0] <= '9':
			return int64(most), fmt.Sprintf("above %.0f, which is the most", most)
		}
		return 0, "that is not a number"
	}
	switch whole := math.Floor(*f); {
	case whole < 1:
		return 0, "below 1"
	case whole > most:
		return int64(most), fmt.Sprintf("above %.0f, which is the most", most)
	default:
		return int64(whole), ""
	}
}
