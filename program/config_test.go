package program

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"or3.chat/cloud/internal/membudget"
)

// Operators see how much memory requests may take, and where the limit comes from.
func TestConfigStatesTheMemoryForRequests(t *testing.T) {
	want := membudget.Read()
	a, out, errs := testApp(nil)
	if code := a.main([]string{"config", "--json"}); code != 0 {
		t.Fatal(code, errs)
	}
	var values []shownValue
	if err := json.Unmarshal(out.Bytes(), &values); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, v := range values {
		if v.Value != nil {
			found[v.Name] = *v.Value + " from " + string(v.Origin)
		}
	}
	if got := found[memoryLimit]; got != strconv.FormatInt(want.Bytes, 10)+" from "+want.Source {
		t.Errorf("limit: %s", got)
	}
	if got := found[memoryBudget]; got != strconv.FormatInt(want.Budget(), 10)+" from "+memoryLimit {
		t.Errorf("budget: %s", got)
	}
	a, out, errs = testApp(nil)
	if code := a.main([]string{"config"}); code != 0 {
		t.Fatal(code, errs)
	}
	for _, part := range []string{memoryLimit, want.Source, memoryBudget, strconv.FormatInt(want.Budget(), 10)} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
}

// Operators see which rate limits follow from the settings, and what is wrong with those that they have written.
//
//walk:follows operations.md OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"windowMs":60000,"maxRequests":200}}
func TestConfigShowsTheRateLimits(t *testing.T) {
	for _, c := range []struct {
		environ     string
		push, cause string
		fault       string
	}{
		{"", "600 in 1m0s", "default", ""},
		{`OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"windowMs":60000,"maxRequests":200}}`, "200 in 1m0s", "OR3_RATE_LIMIT_OVERRIDES_JSON", ""},
		{`OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"maxRequests":7,"windowMs":1500}}`, "7 in 1.5s", "OR3_RATE_LIMIT_OVERRIDES_JSON", ""},
		{`OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:psuh":{"maxRequests":7}}`, "600 in 1m0s", "default", `names "sync:psuh", which is not an operation`},
		{"OR3_LIMITS_ENABLED=false", "off", "OR3_LIMITS_ENABLED", ""},
		{"DISABLE_RATE_LIMIT=1", "off", "DISABLE_RATE_LIMIT", ""},
	} {
		a, out, errs := testApp([]string{c.environ})
		if code := a.main([]string{"config", "--json"}); code != 0 || !strings.Contains(errs.String(), c.fault) || c.fault == "" && strings.Contains(errs.String(), "warning") {
			t.Fatal(code, errs)
		}
		var values []shownValue
		if err := json.Unmarshal(out.Bytes(), &values); err != nil {
			t.Fatal(err)
		}
		found := map[string]string{}
		for _, v := range values {
			if v.Value != nil {
				found[v.Name] = *v.Value + " from " + string(v.Origin)
			}
		}
		if got, want := found["limit.sync:push"], c.push+" from "+c.cause; got != want {
			t.Errorf("%s: %s, want %s", c.environ, got, want)
		}
		if _, shown := found["limit.workflow:hitl"]; shown || found["limit.auth:session"] == "" {
			t.Errorf("%v", found)
		}
		if a.main([]string{"config"}); c.push != "" && !strings.Contains(out.String(), "limit.sync:push") {
			t.Errorf("not in the table: %s", out)
		}
	}
}

// The settings of OR3 Chat's own host for its administration do not concern the engine behind it.
func TestNoEngineMindsTheAdministrationOfItsHost(t *testing.T) {
	a := newApp(registerProviders)
	a.environ = []string{"OR3_STRICT_CONFIG=true", "OR3_DATA_DIR=" + t.TempDir(), "OR3_ADMIN_USERNAME=admin", "OR3_ADMIN_PASSWORD=x", "OR3_ADMIN_JWT_EXPIRY=soon",
		"OR3_ADMIN_ALLOWED_HOSTS=https://x", "OR3_ADMIN_BASE_PATH=/"}
	for _, partial := range []bool{true, false} {
		s, err := a.load(settingFlags{partial: partial})
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, p := range append(s.problems, s.warnings...) {
			if strings.HasPrefix(p.Variable, "OR3_ADMIN_") {
				found = append(found, p.Variable)
			}
		}
		if partial != (len(found) == 0) {
			t.Errorf("partial %v: %q", partial, found)
		}
	}
}
