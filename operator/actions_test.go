package operator

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/setting"
)

// The providers of these tests have the methods that actions use, and those of a nil interface.
type (
	testAuth struct {
		or3cloud.AuthProvider
		or3cloud.AccountAdmin
		accounts int
		revoked  *[]string
	}
	testWorkspaces struct{ or3cloud.AuthWorkspaceStore }
	testSync       struct {
		or3cloud.SyncGatewayAdapter
		stretches int
		faults    int
	}
	testFiles struct{ or3cloud.StorageGatewayAdapter }
	// testAdapter has an action that waits for release, or fails, or panics.
	testAdapter struct{ release chan struct{} }
)

func (a testAuth) ListAccounts(_ context.Context, cursor string, _ int) (page []or3cloud.Account, next string, err error) {
	at, _ := strconv.Atoi(cursor)
	for i := at; i < min(at+2, a.accounts); i++ {
		page = append(page, or3cloud.Account{ID: strconv.Itoa(i)})
	}
	if at+2 < a.accounts {
		next = strconv.Itoa(at + 2)
	}
	return page, next, nil
}

func (a testAuth) RevokeSessions(_ context.Context, name, _ string) (int, error) {
	*a.revoked = append(*a.revoked, name)
	return 2, nil
}

func (testSync) DatabaseState() or3cloud.DatabaseState {
	return or3cloud.DatabaseState{State: or3cloud.DatabaseDamaged}
}

func (s testSync) CheckDatabase(_ context.Context, in or3cloud.DatabaseCheckRequest) (out or3cloud.DatabaseStretch, err error) {
	at, _ := strconv.Atoi(in.After)
	if out.Pages = 10; at == 0 {
		out.Faults = make([]or3cloud.DatabaseFault, s.faults)
	}
	if at+1 < s.stretches {
		out.Next = strconv.Itoa(at + 1)
	}
	return out, nil
}

func (testAdapter) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	return or3cloud.AdminStatus{
		Details:  map[string]any{"place": "here"},
		Warnings: []or3cloud.AdminWarning{{Level: or3cloud.AdminLevelWarning, Message: "mind this"}},
		Actions:  []or3cloud.AdminAction{{ID: "sync.wait", Label: "Wait", Workspace: true}},
	}, nil
}

func (a testAdapter) RunAction(ctx context.Context, workspaceID, id string, payload map[string]any) (any, error) {
	switch id {
	case "sync.wait":
		if workspaceID == "" {
			return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace not resolved")
		}
		select {
		case <-a.release:
			return map[string]any{"ok": true, "workspace": workspaceID, "days": payload["retentionDays"]}, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	case "sync.fail":
		return nil, errors.New("the disk is gone")
	case "sync.panic":
		panic("a mistake")
	case "sync.large":
		return strings.Repeat("x", mostKept), nil
	}
	return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown action")
}

// memory is a configuration.
type memory map[string]string

func (c memory) String(name string) string { return c[name] }
func (c memory) Bool(name string) bool     { return c[name] == "true" }
func (c memory) List(string) []string      { return nil }
func (c memory) Int(string) int64          { return 0 }

// house is an open instance with a desk.
type house struct {
	*Desk
	instance *instance.Instance
	adapter  testAdapter
	revoked  []string
}

func open(t *testing.T, change func(memory, map[string]*or3cloud.Instance)) *house {
	t.Helper()
	h := &house{adapter: testAdapter{make(chan struct{})}}
	cfg := memory{
		setting.SSRAuthEnabled: "true", setting.SyncEnabled: "true", setting.StorageEnabled: "true", setting.AuthProvider: "auth",
		setting.SyncProvider: "sync", setting.StorageProvider: "storage",
	}
	parts := map[string]*or3cloud.Instance{
		"auth": {Auth: testAuth{accounts: 5, revoked: &h.revoked}},
		"sync": {Workspaces: testWorkspaces{}, Sync: testSync{stretches: 3, faults: 30},
			Admin: map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderSync: h.adapter}},
		"storage": {Storage: testFiles{}},
	}
	if change != nil {
		change(cfg, parts)
	}
	var r or3cloud.Registry
	for id, part := range parts {
		if err := r.Register(or3cloud.Provider{ID: id, Package: "test", Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) { return part, nil }}); err != nil {
			t.Fatal(err)
		}
	}
	i, err := instance.New(instance.Options{Registry: &r, Config: cfg, Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.Open(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		<-i.Drain()
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	h.Desk, h.instance = New(i, Links{}), i
	return h
}

func TestProvidersAreDescribed(t *testing.T) {
	d, err := DescribeProviders.Do(t.Context(), open(t, nil).Desk, Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	if s := d.Sync; !s.Enabled || s.Provider != "sync" || s.Details["place"] != "here" || len(s.Warnings) != 2 ||
		s.Warnings[1] != (or3cloud.AdminWarning{Level: "error", Message: "The database is damaged. Stop the server and restore a backup."}) {
		t.Errorf("sync: %+v", s)
	}
	if s := d.Storage; !s.Enabled || len(s.Warnings) != 1 || len(s.Actions) != 0 || s.Actions == nil ||
		s.Warnings[0] != (or3cloud.AdminWarning{Level: "warning", Message: "The provider storage has no adapter for administrators, so its state is unknown."}) {
		t.Errorf("a provider without an adapter: %+v", s)
	}
	ids := func(s ProviderStatus) (all []string) {
		for _, a := range s.Actions {
			if all = append(all, a.ID); a.Label == "" || a.Danger && a.Confirmation == "" {
				t.Errorf("%+v", a)
			}
		}
		return all
	}
	if got := ids(d.Sync); !slices.Equal(got, []string{"sync.wait", "sync.check-database"}) {
		t.Errorf("sync has %q", got)
	}
	if got := ids(d.Auth); !slices.Equal(got, []string{"auth.revoke-sessions"}) {
		t.Errorf("auth has %q", got)
	}
	off, err := DescribeProviders.Do(t.Context(), open(t, func(c memory, _ map[string]*or3cloud.Instance) { c[setting.StorageEnabled] = "false" }).Desk, Nothing{})
	if s := off.Storage; err != nil || s.Enabled || len(s.Warnings) > 0 {
		t.Errorf("a place that is off: %+v, %v", s, err)
	}
}

func TestActions(t *testing.T) {
	h := open(t, func(c memory, _ map[string]*or3cloud.Instance) { c[setting.SMTPURL] = "smtp://127.0.0.1:1" })
	close(h.adapter.release)
	for _, c := range []struct {
		kind or3cloud.ProviderKind
		id   string
		code or3cloud.Code
		text string
	}{
		{"auth", "no.such", or3cloud.CodeInvalid, "Unknown action"},
		{"sync", "no.such", or3cloud.CodeInvalid, "Unknown action"},
		{"sync", "auth.revoke-sessions", or3cloud.CodeInvalid, "Unknown action"},
		{"storage", "storage.gc", or3cloud.CodeUnsupported, "Action not supported"},
		{"payments", "x", or3cloud.CodeInvalid, "Invalid request"},
		{"sync", "sync.wait", or3cloud.CodeInvalid, "Workspace not resolved"},
		{"auth", "auth.test-mail", or3cloud.CodeInvalid, "Name one e-mail address"},
	} {
		_, err := RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: c.kind, ActionID: c.id})
		var e *or3cloud.Error
		if !errors.As(err, &e) || e.Code != c.code || e.Message != c.text {
			t.Errorf("%s %s: %v", c.kind, c.id, err)
		}
	}
	out, err := RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: "sync", ActionID: "sync.wait", ActiveWorkspaceID: "active", Payload: map[string]any{"retentionDays": 7.0}})
	if got, _ := out.Result.(map[string]any); err != nil || got["workspace"] != "active" || got["days"] != 7.0 {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: "sync", ActionID: "sync.check-database", ActiveWorkspaceID: "active"})
	if got, _ := out.Result.(DatabaseChecked); err != nil || got.OK || got.Pages != 30 || got.FaultCount != 30 || len(got.Faults) != mostFindings {
		t.Errorf("%+v, %v", out, err)
	}
	out, err = RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: "auth", ActionID: "auth.revoke-sessions"})
	if err != nil || out.Result != (Revoked{10}) || len(h.revoked) != 5 {
		t.Errorf("%+v, %v, %q", out, err, h.revoked)
	}
	out, err = RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: "auth", ActionID: "auth.revoke-sessions", Payload: map[string]any{"account": "ann"}})
	if err != nil || out.Result != (Revoked{2}) || h.revoked[5] != "ann" {
		t.Errorf("%+v, %v, %q", out, err, h.revoked)
	}
	for _, payload := range []map[string]any{ // a page whose field is empty, or has another name, means no one, and not everyone
		{"account": ""}, {"account": nil}, {"account": 7.0}, {"acount": "ann"}, {"account": "ann", "workspace": "w"},
	} {
		if _, err = RunAction.Do(t.Context(), h.Desk, ActionRequest{Kind: "auth", ActionID: "auth.revoke-sessions", Payload: payload}); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%v: %v", payload, err)
		}
	}
	if len(h.revoked) != 6 {
		t.Errorf("what was refused has ended sessions: %q", h.revoked)
	}
}

// TestLongActionsRunOn: a request waits no longer than its patience, the status shows how the action ends, and the same
// action does not start again in the meantime.
func TestLongActionsRunOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		wait := ActionRequest{Kind: "sync", ActionID: "sync.wait", WorkspaceID: "w"}
		begun := time.Now()
		if _, over, err := h.Begin(t.Context(), wait, time.Second); over || err != nil || time.Since(begun) != time.Second {
			t.Fatal(over, err, time.Since(begun))
		}
		gone, leave := context.WithCancel(t.Context())
		leave()
		if runs := h.Runs(); len(runs) != 1 || runs[0].EndedAt != nil || runs[0].WorkspaceID != "w" {
			t.Errorf("%+v", runs)
		}
		if _, _, err := h.Begin(gone, wait, time.Second); or3cloud.CodeOf(err) != or3cloud.CodeConflict || !strings.Contains(err.Error(), "already running") {
			t.Error(err)
		}
		h.adapter.release <- struct{}{}
		synctest.Wait()
		if runs := h.Runs(); len(runs) != 1 || runs[0].EndedAt == nil || !strings.Contains(string(asText(t, runs[0].Result)), `"workspace":"w"`) {
			t.Errorf("%+v", runs)
		}
		if _, over, err := h.Begin(gone, wait, time.Hour); over || err != nil { // the caller has gone
			t.Error(over, err)
		}
		if runs := h.Runs(); len(runs) != 2 {
			t.Errorf("%+v", runs)
		}
		h.adapter.release <- struct{}{}
		synctest.Wait()
		if runs := h.Runs(); len(runs) != 1 { // the last one of each action
			t.Errorf("%+v", runs)
		}
	})
}

func asText(t *testing.T, result any) []byte {
	t.Helper()
	text, ok := result.(interface{ MarshalJSON() ([]byte, error) })
	if !ok {
		t.Fatalf("%T", result)
	}
	b, err := text.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestActionsEndWithTheServer: a shutdown cancels actions and waits only for them to end.
func TestActionsEndWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, nil)
		if _, over, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: "sync.wait", WorkspaceID: "w"}, time.Second); over || err != nil {
			t.Fatal(over, err)
		}
		<-h.instance.Drain()
		synctest.Wait()
		if runs := h.Runs(); len(runs) != 1 || runs[0].EndedAt == nil || runs[0].Error != "It failed; the log says why." {
			t.Errorf("%+v", runs)
		}
		if _, _, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: "sync.fail"}, time.Second); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Error(err)
		}
	})
}

// TestWhatIsKeptOfActionsIsBounded: refusals leave nothing, errors their text, large results nothing.
func TestWhatIsKeptOfActionsIsBounded(t *testing.T) {
	h := open(t, nil)
	for i := range 2 * mostEnded {
		if _, over, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: "no.such." + strconv.Itoa(i)}, time.Hour); !over || or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Fatal(over, err)
		}
	}
	if runs := h.Runs(); len(runs) > 0 {
		t.Errorf("%d refusals are kept", len(runs))
	}
	if _, _, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: strings.Repeat("x", actionText+1)}, time.Hour); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
		t.Error(err)
	}
	for _, id := range []string{"sync.fail", "sync.panic"} {
		if _, over, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: id}, time.Hour); !over || or3cloud.CodeOf(err) != or3cloud.CodeInternal {
			t.Error(id, over, err)
		}
	}
	if result, over, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: "sync.large"}, time.Hour); !over || err != nil || result != strings.Repeat("x", mostKept) {
		t.Error(over, err)
	}
	runs := h.Runs()
	if len(runs) != 3 || runs[0].Error == "" || runs[1].Error == "" || runs[2].Result != nil || strings.Contains(runs[0].Error, "disk") {
		t.Errorf("%+v", runs)
	}
	for range mostRuns {
		h.runs.all = append(h.runs.all, &Run{Kind: "auth"})
	}
	if _, _, err := h.Begin(t.Context(), ActionRequest{Kind: "sync", ActionID: "sync.large"}, time.Hour); or3cloud.CodeOf(err) != or3cloud.CodeConflict || !strings.Contains(err.Error(), "4 other actions are running") {
		t.Error(err)
	}
}
