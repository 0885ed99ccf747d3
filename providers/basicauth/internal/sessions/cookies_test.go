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

// The fast path to a cookie finds what net/http finds, or leaves it to that.
func TestTheShortWayToACookie(t *testing.T) {
	for _, lines := range usualAndOtherCookies {
		sameCookies(t, lines...)
	}
	for lines, want := range map[string]bool{
		"": true, "or3_access=a.b-c_d": true, "x=1; or3_access=a; y": true, "or3_refresh=a": true,
		"or3_access=a; or3_access=b": false, `or3_access="a"`: false, "or3_access =a": false,
	} {
		if _, usual := value(&http.Request{Header: http.Header{"Cookie": {lines}}}, AccessCookie); usual != want {
			t.Errorf("%q: usual: %v", lines, usual)
		}
	}
}

var usualAndOtherCookies = [][]string{
	{}, {""}, {"or3_access=a"}, {"or3_access=a;or3_refresh=b"}, {"or3_refresh=b; or3_access=a.b-c_D9"}, {"or3_access="}, {"or3_access"}, {"or3_access=a=b"},
	{`or3_access="a"`}, {"or3_access=a; or3_access=b"}, {"or3_access=; or3_access=b"}, {"or3_access=a", "or3_access=b"}, {"\tor3_access=a"}, {"or3_access =a"},
	{"or3_access= a"}, {"or3_access=a "}, {"or3_access2=a"}, {"or3_access!=a"}, {"xor3_access=a"}, {"OR3_ACCESS=a"}, {"or3_access=a,b"}, {"or3_access=ä"},
	{";;or3_access=a;;"}, {"or3_access=a\\"}, {"or3_access;or3_access=a"}, {"x=or3_access=b; or3_access=a"},
}

func sameCookies(t *testing.T, lines ...string) {
	t.Helper()
	r := &http.Request{Header: http.Header{"Cookie": lines}}
	short, usual := value(r, AccessCookie)
	if !usual {
		return
	}
	if all := Values(r, AccessCookie); len(all) > 1 || strings.Join(all, "") != short && len(short) <= form.MaxToken {
		t.Errorf("%q: %q, by net/http %q", lines, short, all)
	}
}

func FuzzCookies(f *testing.F) {
	for _, lines := range usualAndOtherCookies {
		f.Add(strings.Join(lines, "\n"))
	}
	f.Fuzz(func(t *testing.T, line string) { sameCookies(t, line) })
}
