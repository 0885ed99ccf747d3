package streamapi

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/ratelimit"
)

// budget is what a user has left after a chat (contract, client-behaviour §10). A limit of 0 means none.
type budget struct{ minute, day ratelimit.Verdict }

// tell tells a client of its budget.
func (b budget) tell(w http.ResponseWriter) {
	for _, part := range []struct {
		name string
		ratelimit.Verdict
	}{{"X-RateLimit-", b.minute}, {"X-DailyLimit-", b.day}} {
		if part.Limit > 0 {
			w.Header().Set(part.name+"Limit", strconv.Itoa(part.Limit))
			w.Header().Set(part.name+"Remaining", strconv.Itoa(max(0, part.Remaining-1)))
		}
	}
}

// refusal says that a budget is used up.
type refusal struct {
	text string
	wait time.Duration
}

// take counts a chat of a user, whatever its outcome. The budget has what is left of the limit that refuses it.
func (a *API) take(who string) (b budget, refused *refusal) {
	if a.opt.PerMinute > 0 {
		v := a.opt.Limits.TakeOf(ratelimit.LLMMinute, who, ratelimit.Limit{Max: min(a.opt.PerMinute, ratelimit.MostRequests), Window: time.Minute})
		if b.minute = v; !v.Allowed {
			return b, &refusal{fmt.Sprintf("Rate limit exceeded. Retry after %ds", httpapi.Seconds(v.RetryAfter)), v.RetryAfter}
		}
	}
	if a.opt.PerDay > 0 {
		v := a.opt.Limits.TakeOf(ratelimit.LLMDay, who, ratelimit.Limit{Max: min(a.opt.PerDay, ratelimit.MostRequests), Window: 24 * time.Hour})
		if !v.Allowed {
			return budget{day: v}, &refusal{fmt.Sprintf("Daily message limit reached (%d). Try again tomorrow.", v.Limit), v.RetryAfter}
		}
		b.day = v
	}
	return b, nil
}
