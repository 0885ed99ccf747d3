package sessions

import (
	"net/http"
	"strings"
	"testing"

	"or3.chat/cloud/providers/basicauth/internal/form"
)

func TestOnlyAFewCookiesOfOneNameAreLookedAt(t *testing.T) {
	r := &http.Request{Header: http.Header{"Cookie": {strings.Repeat("or3_refresh=; or3_refresh=x; ", 20) + "or3_refresh=" + strings.Repeat("y", form.MaxToken+1)}}}
	if got := Values(r, RefreshCookie); len(got) != maxCookies || got[0] != "x" {
		t.Errorf("%d values", len(got))
	}
}
