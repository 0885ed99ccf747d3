package ratelimit

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/setting"
)

func TestDefaultsAreGenerous(t *testing.T) {
	// Contract, sync §5; client-behaviour Pitfall 6; auth Pitfall 11; storage Pitfall 4.
	limits, faults := Limits("")
	for op, atLeast := range map[Operation]int{
		SyncPush: 200, SyncPull: 1200, SyncSnapshot: 1200, SyncCursor: 600, SyncGC: 40, AuthSession: 600,
		StorageUpload: 600, StorageDownload: 1200, StorageCommit: 600,
	} {
		if l := limits[op]; l.Max < atLeast || l.Window != time.Minute {
			t.Errorf("%s: %+v", op, l)
		}
	}
	if len(faults) > 0 {
		t.Error(faults)
	}
}

// The operations of the contract (security-middleware §8), whether there is an endpoint for them or not.
func TestEveryOperationOfTheContractIsNamed(t *testing.T) {
	known := map[Operation]Budget{}
	for _, b := range Budgets() {
		if _, twice := known[b.Operation]; twice || b.Subject == "" || b.Limit.Window <= 0 || b.Limit.Window > LongestWindow {
			t.Errorf("%+v", b)
		}
		known[b.Operation] = b
	}
	for _, op := range strings.Fields("sync:push sync:pull sync:snapshot sync:cursor sync:gc storage:upload storage:download storage:commit auth:session workflow:background workflow:hitl auth:or3-net-exchange") {
		if b := known[Operation(op)]; b.By != setting.RateLimitOverrides {
			t.Errorf("%s: %+v", op, b)
		}
	}
}

// docs/operations.md shows operators the same table.
func TestTheTableOfTheGuideIsThisOne(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range Budgets() {
		limit := fmt.Sprintf("%d per %s", b.Limit.Max, span(b.Limit.Window))
		if b.Limit.Max == 0 {
			limit = "none"
		}
		by := "–"
		if b.By != "" {
			by = "`" + b.By + "`"
		}
		if row := fmt.Sprintf("| `%s` | %s | %s | %s |", b.Operation, b.Subject, limit, by); !strings.Contains(string(page), row) {
			t.Errorf("docs/operations.md has no line\n%s", row)
		}
	}
}

func span(d time.Duration) string {
	return map[time.Duration]string{time.Minute: "minute", 15 * time.Minute: "15 minutes", time.Hour: "hour", 24 * time.Hour: "day"}[d]
}

func TestOverrides(t *testing.T) {
	for _, c := range []struct {
		name, text string
		max        int
		window     time.Duration
		fault      string
	}{
		{"none", "", 600, time.Minute, ""},
		{"both", `{"sync:push":{"windowMs":1000,"maxRequests":5}}`, 5, time.Second, ""},
		{"floored", `{"sync:push":{"windowMs":1000.9,"maxRequests":5.9}}`, 5, time.Second, ""},
		{"one member", `{"sync:push":{"maxRequests":7}}`, 7, time.Minute, ""},
		{"nothing", `{"sync:push":{}}`, 600, time.Minute, ""},
		{"most", `{"sync:push":{"windowMs":86400000,"maxRequests":1000000}}`, 1_000_000, 24 * time.Hour, ""},
		{"of an endpoint that is not offered", `{"workflow:hitl":{"maxRequests":3}}`, 600, time.Minute, ""},
		{"not JSON", `{"sync:push"`, 600, time.Minute, "is not JSON"},
		{"a list", `[]`, 600, time.Minute, "is not an object"},
		{"null", `null`, 600, time.Minute, "is not an object"},
		{"not positive", `{"sync:push":{"windowMs":1000,"maxRequests":0}}`, 600, time.Second, `"sync:push" maxRequests below 1`},
		{"negative", `{"sync:push":{"windowMs":-1}}`, 600, time.Minute, `windowMs below 1`},
		{"less than one", `{"sync:push":{"windowMs":1000,"maxRequests":0.5}}`, 600, time.Second, "maxRequests below 1"},
		{"a text", `{"sync:push":{"maxRequests":"5"}}`, 600, time.Minute, "maxRequests that is not a number"},
		{"no value", `{"sync:push":{"maxRequests":null}}`, 600, time.Minute, "maxRequests that is not a number"},
		{"an unknown member", `{"sync:push":{"max":5}}`, 600, time.Minute, `the member "max"`},
		{"a number alone", `{"sync:push":5}`, 600, time.Minute, "no object such as"},
		{"no budget", `{"sync:push":null}`, 600, time.Minute, "no object such as"},
		{"wrong type keeps the others", `{"sync:pull":"x","sync:push":{"maxRequests":3}}`, 3, time.Minute, `"sync:pull" no object`},
		{"unknown operation", `{"sync:everything":{"maxRequests":3}}`, 600, time.Minute, `"sync:everything", which is not an operation`},
		{"operation with a setting of its own", `{"storage:gc-run":{"maxRequests":3}}`, 600, time.Minute, `"storage:gc-run", whose limit is not changed here`},
		{"of another limiter", `{"admin:login":{"maxRequests":3}}`, 600, time.Minute, "not changed here"},
		{"enormous", `{"sync:push":{"windowMs":1e300,"maxRequests":1e300}}`, MostRequests, LongestWindow, "maxRequests above 1000000, which is the most"},
		{"more than a float", `{"sync:push":{"windowMs":1e999}}`, 600, LongestWindow, "windowMs above 86400000"},
		{"less than a float", `{"sync:push":{"windowMs":-1e999,"maxRequests":-1e999}}`, 600, time.Minute, "maxRequests below 1"},
		{"a little too much", `{"sync:push":{"maxRequests":1000001}}`, MostRequests, time.Minute, "maxRequests above"},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits, faults := Limits(c.text)
			if l := limits[SyncPush]; l.Max != c.max || l.Window != c.window {
				t.Errorf("%+v", l)
			}
			if all := strings.Join(faults, "; "); (c.fault == "") != (all == "") || !strings.Contains(all, c.fault) {
				t.Errorf("faults: %q", all)
			}
			if _, limited := limits[WorkflowHITL]; limited {
				t.Error("what is not offered is limited")
			}
		})
	}
}

// Storage Pitfall 4: an upload that is admitted but cannot be committed is lost.
func TestCommitIsNeverScarcerThanUploadStoragePitfall4(t *testing.T) {
	for text, want := range map[string]Limit{
		`{"storage:commit":{"maxRequests":30},"storage:upload":{"maxRequests":50}}`:                      {50, time.Minute},
		`{"storage:commit":{"windowMs":3600000}}`:                                                        {600, time.Minute},
		`{"storage:commit":{"windowMs":90000,"maxRequests":1199}}`:                                       {600, time.Minute},
		`{"storage:commit":{"windowMs":90000,"maxRequests":1200}}`:                                       {1200, 90 * time.Second},
		`{"storage:commit":{"windowMs":1000}}`:                                                           {600, time.Second},
		`{"storage:upload":{"windowMs":1,"maxRequests":1000000},"storage:commit":{"windowMs":86400000}}`: {1_000_000, time.Millisecond},
	} {
		if limits, _ := Limits(text); limits[StorageCommit] != want {
			t.Errorf("%s: %+v", text, limits[StorageCommit])
		}
	}
}

func FuzzOverrides(f *testing.F) {
	f.Add(`{"sync:push":{"windowMs":1e300,"maxRequests":1e300}}`)
	f.Add(`{"sync:push":{"windowMs":0}}`)
	f.Fuzz(func(t *testing.T, text string) {
		limits, _ := Limits(text)
		for op, l := range limits {
			if l.Max < 1 || l.Max > MostRequests || l.Window < time.Millisecond || l.Window > LongestWindow {
				t.Errorf("%q makes %s %+v", text, op, l)
			}
		}
	})
}

// Contract, env Pitfall 6: in production, nothing disables the limits of the administration.
func TestWhatSwitchesLimitsOff(t *testing.T) {
	for _, c := range []struct {
		enabled, disable    string
		production          bool
		wantOff, wantAllOff bool
	}{
		{"true", "", false, false, false}, {"false", "", false, true, false}, {"true", "1", false, true, true}, {"true", "1", true, false, false}, {"false", "1", true, true, false},
	} {
		cfg := texts{setting.LimitsEnabled: c.enabled, setting.DisableRateLimit: c.disable}
		if off, all := Off(cfg, c.production), AllOff(cfg, c.production); off != c.wantOff || all != c.wantAllOff {
			t.Errorf("%+v: %v %v", c, off, all)
		}
	}
}

// texts is a Config over texts.
type texts map[string]string

func (c texts) String(name string) string { return c[name] }
func (c texts) Int(string) int64          { return 0 }
func (c texts) Bool(name string) bool     { return c[name] == "true" }
func (c texts) List(string) []string      { return nil }
