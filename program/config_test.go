package program

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"or3.chat/cloud/internal/membudget"
)

// Operators see how much memory requests may take, and who says so.
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
