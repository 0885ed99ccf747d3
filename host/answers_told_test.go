package host

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/operator"
)

// notifications returns a person's notifications, as a device pulls them: type, thread, title and body.
func (p *person) notifications() (all []string) {
	p.t.Helper()
	var out struct {
		Changes []struct {
			Table   string `json:"tableName"`
			Payload struct {
				Type, Title, Body string
				ThreadID          string `json:"thread_id"`
				UserID            string `json:"user_id"`
			}
		}
	}
	p.do("POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":500}`, p.workspace), &out)
	for _, c := range out.Changes {
		if c.Table == or3cloud.TableNotifications {
			all = append(all, strings.Join([]string{c.Payload.Type, c.Payload.ThreadID, c.Payload.Title, c.Payload.Body}, "|"))
			if c.Payload.UserID != p.user {
				p.t.Errorf("%s reads a notification of %s", p.user, c.Payload.UserID)
			}
		}
	}
	return all
}

// A user who reads an answer to its end is not notified, and neither is one who has stopped it. Every other user is
// notified once, and no other member is.
func TestUsersAreToldOfAnswersThatEndWithoutThem(t *testing.T) {
	goOn := make(chan struct{})
	var now atomic.Value // what the model server does
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		switch now.Load() {
		case "wait":
			_ = http.NewResponseController(w).Flush()
			select {
			case <-goOn:
			case <-r.Context().Done():
			}
		case "fail":
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "no such thing")
			return
		}
		_, _ = io.WriteString(w, says("Hello")+said)
	})
	p, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), p.workspace, bob.user, or3cloud.RoleEditor); err != nil {
		t.Fatal(err)
	}
	bob.workspace = p.workspace
	begin := func(n int, does string) string {
		t.Helper()
		now.Store(does)
		return p.beginAnswer(n)
	}
	p.until(begin(1, "answer"), "complete")
	p.until(begin(2, "fail"), "error")

	read := begin(3, "wait")
	patience.Until(t, "it is under way", func() bool { return r.running.Load().answers.UnderWay() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/api/jobs/"+read+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	stopped := begin(4, "wait")
	p.do("POST", "/api/jobs/"+stopped+"/abort", "", nil)
	close(goOn)
	if text, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(text), `"status":"complete"`) {
		t.Errorf("read along: %s, %v", text, err)
	}
	for n, state := range map[int]string{1: "complete", 2: "failed", 3: "complete", 4: "aborted"} {
		p.synced(fmt.Sprint("a", n), state)
	}
	want := []string{
		"ai.background.complete|t1|AI response ready|Your background response is ready.",
		"ai.background.error|t2|AI response failed|no such thing",
	}
	patience.Until(t, "two notifications", func() bool { return len(p.notifications()) >= 2 })
	p.until(begin(5, "answer"), "complete") // and later ones are notified later
	want = append(want, "ai.background.complete|t5|AI response ready|Your background response is ready.")
	patience.Until(t, "three notifications", func() bool { return len(p.notifications()) >= 3 })
	if got := p.notifications(); !slices.Equal(got, want) {
		t.Errorf("told: %q, want %q", got, want)
	}
	if got := bob.notifications(); len(got) != 0 {
		t.Errorf("another member is told %q", got)
	}
}

// Webhooks report the end of an answer: those of users that it is complete, those of administrators every outcome, and
// nothing of what was said.
func TestWebhooksAreToldOfAnswers(t *testing.T) {
	var asked atomic.Int32
	r, super := startAdmins(t, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_BACKGROUND_STREAMING_ENABLED=true", "OR3_OPENROUTER_BASE_URL="+models(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) > 1 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, "a secret of the chat")
			return
		}
		_, _ = io.WriteString(w, says("an answer")+said)
	}))
	ofAdmins, ofUser := newReceiver(t), newReceiver(t)
	super.adminHook(ofAdmins.URL, `"events":["admin.job.completed","admin.job.failed"]`)
	p := r.register(t, "ann@example.test")
	var made struct {
		Secret string `json:"signing_secret"`
	}
	p.do("POST", "/api/webhooks", fmt.Sprintf(`{"url":%q,"events":["message.completed"]}`, ofUser.URL), &made)
	complete := p.beginAnswer(1)
	p.until(complete, "complete")
	var failed struct{ JobID string }
	p.do("POST", "/api/openrouter/stream", strings.Replace(p.wish(2, ""), `"model":"a"`, `"model":"b"`, 1), &failed)
	p.until(failed.JobID, "error")

	d := patience.Receive(t, "a delivery", ofUser.got)
	var body struct {
		Event       string
		WorkspaceID string `json:"workspace_id"`
		UserID      string `json:"user_id"`
		Data        map[string]any
	}
	if err := json.Unmarshal(d.body, &body); err != nil || body.Event != "message.completed" || body.WorkspaceID != p.workspace || body.UserID != p.user || len(body.Data) != 5 ||
		body.Data["thread_id"] != "t1" || body.Data["message_id"] != "a1" || body.Data["model_id"] != "a" || body.Data["job_id"] != complete || body.Data["completed_at"] == nil {
		t.Errorf("%s, %v", d.body, err)
	}
	ends := map[string]adminevent.Job{}
	for range 2 {
		got := ofAdmins.told(t)
		var job adminevent.Job
		if err := json.Unmarshal(got.Data, &job); err != nil || got.WorkspaceID == nil || *got.WorkspaceID != p.workspace || job.CreatedBy != p.user || job.Attempts != 1 {
			t.Errorf("%+v %s, %v", got, got.Data, err)
		}
		ends[got.Event+" "+job.ID] = job
		if strings.Contains(string(got.Data), "secret of the chat") {
			t.Errorf("the chat is told: %s", got.Data)
		}
	}
	if job, ok := ends["admin.job.completed "+complete]; !ok || job.Status != "completed" || job.Error != nil || *job.ModelID != "a" {
		t.Errorf("complete: %+v", ends)
	}
	if job, ok := ends["admin.job.failed "+failed.JobID]; !ok || job.Status != "failed" || job.Error == nil || !strings.Contains(*job.Error, "answered with status 400") {
		t.Errorf("failed: %+v", ends)
	}
	// What an operator sees is who, since when and why, and nothing of the chat.
	desk := operator.New(r.instance, operator.Links{})
	list, err := operator.ListJobs.Do(t.Context(), desk, operator.JobQuery{User: "ann@example.test", Limit: 10})
	text, _ := json.Marshal(list)
	if err != nil || len(list.Jobs) != 2 || list.Jobs[0].ID != failed.JobID || list.Jobs[0].Email != "ann@example.test" || list.Jobs[0].WorkspaceID != p.workspace ||
		!strings.Contains(list.Jobs[0].Cause, "answered with status 400") || list.Jobs[0].StartedAt.IsZero() || strings.Contains(string(text), "secret of the chat") {
		t.Errorf("%s, %v", text, err)
	}
	if _, err := operator.AbortJob.Do(t.Context(), desk, operator.JobID{JobID: complete}); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("a finished answer is stopped: %v", err)
	}
	status := super.admins("GET", "/api/admin/system/status", "", 200)["status"].(map[string]any)["backgroundStreaming"].(map[string]any)
	if got := fmt.Sprint(status["jobs"]); got != "map[aborted:0 complete:1 failed:1 running:0 waiting:0]" || status["enabled"] != true {
		t.Errorf("%v", status)
	}
	select {
	case d := <-ofUser.got:
		t.Errorf("told of more: %s", d.body)
	default:
	}
}

// An answer that its browser reads is reported as well, once and if it was complete, provided that the client has said
// which message it is and its user may write there.
func TestWebhooksAreToldOfAnswersInTheForeground(t *testing.T) {
	var cut atomic.Bool
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false", "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL="+models(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, says("an answer"))
		if cut.Load() {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, said)
	}))
	p, viewer := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), p.workspace, viewer.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	viewer.do("POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, p.workspace), nil)
	to := newReceiver(t)
	p.do("POST", "/api/webhooks", fmt.Sprintf(`{"url":%q,"events":["message.completed"]}`, to.URL), nil)
	chat := func(p *person, ids string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/api/openrouter/stream", strings.NewReader(`{"model":"x/y","stream":true,"messages":[]`+ids+`}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if p == viewer {
			req.Header.Set("X-Or3-Openrouter-Key", "sk-or-v1-own")
		}
		res, err := p.client.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res, err)
		}
		defer res.Body.Close()
		if _, err := io.Copy(io.Discard, res.Body); (err != nil) != cut.Load() {
			t.Errorf("the answer: %v", err)
		}
	}
	chat(p, "")
	chat(p, `,"_threadId":"t0"`)
	chat(p, `,"_threadId":"t0","_messageId":7`)
	chat(viewer, `,"_threadId":"t0","_messageId":"m0"`)
	cut.Store(true)
	chat(p, `,"_threadId":"t0","_messageId":"m0"`)
	cut.Store(false)
	chat(p, `,"_threadId":"t1","_messageId":"m1"`)
	chat(p, `,"_threadId":"t2","_messageId":"m2"`)
	got := map[string]bool{}
	for range 2 {
		var body struct{ Data map[string]any }
		d := patience.Receive(t, "a delivery", to.got)
		if err := json.Unmarshal(d.body, &body); err != nil || body.Data["model_id"] != "x/y" || body.Data["job_id"] != nil || body.Data["completed_at"] == nil {
			t.Errorf("%s, %v", d.body, err)
		}
		got[fmt.Sprint(body.Data["thread_id"], body.Data["message_id"])] = true
	}
	if !got["t1m1"] || !got["t2m2"] {
		t.Errorf("told of %v", got)
	}
	select {
	case d := <-to.got:
		t.Errorf("told of more: %s", d.body)
	default:
	}
}

// Answers are removed with an account and with a workspace: their workers disconnect from the model server, and nothing
// of them is kept.
func TestAnswersGoWithTheirWorkspaceAndTheirAccount(t *testing.T) {
	more, left := make(chan struct{}, 4), make(chan struct{}, 2)
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			select {
			case <-more:
				_, _ = io.WriteString(w, says("."))
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
			}
		}
		left <- struct{}{}
	})
	desk := operator.New(r.instance, operator.Links{})
	for name, erase := range map[string]func(*person) error{
		"workspace": func(p *person) error {
			_, err := operator.DeleteWorkspace.Do(t.Context(), desk, operator.WorkspaceID{WorkspaceID: p.workspace})
			return err
		},
		"account": func(p *person) error {
			_, err := operator.DeleteAccount.Do(t.Context(), desk, operator.AccountName{Name: "account@example.test"})
			return err
		},
	} {
		p := r.register(t, name+"@example.test")
		id := p.beginAnswer(1)
		more <- struct{}{}
		patience.Until(t, "something has come", func() bool { return p.job(id, "").Length > 0 })
		if err := erase(p); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		more <- struct{}{}
		patience.Receive(t, "the end of the request of the "+name, left)
		patience.Until(t, "the worker has ended", func() bool { return r.running.Load().answers.UnderWay() == 0 })
		if list, err := operator.ListJobs.Do(t.Context(), desk, operator.JobQuery{Limit: 10}); err != nil || len(list.Jobs) != 0 {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
}

// A job that another host has left in the database, with an execution that only that host can read, fails with a text
// and is reported to no one: this host has not begun it.
func TestJobsOfAnotherHostFail(t *testing.T) {
	r := background(t, func(http.ResponseWriter, *http.Request) { t.Error("a server of models is asked") })
	p := r.register(t, "ann@example.test")
	store := instance.Ability[jobs.Store](r.instance.Providers(), or3cloud.ProviderSync)
	a, err := store.CreateJob(t.Context(), jobs.Order{
		UserID: p.user, WorkspaceID: p.workspace, ThreadID: "t", MessageID: "m", Model: "a", Kind: jobs.Workflow, Execution: []byte("sealed elsewhere"),
		MostOfAll: 9, MostOfUser: 9,
	})
	if err != nil {
		t.Fatal(err)
	}
	if s := p.until(a.ID, "error"); s.Error != "The answer cannot continue: the key of background answers has changed" {
		t.Errorf("%+v", s)
	}
}

// An answer that was under way in a copy of the database that is restored an hour later fails: no model server is asked
// for it again, and its user, who has forgotten it, is notified.
func TestOldAnswersAreNotMadeAgain(t *testing.T) {
	var asked atomic.Int32
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, says("half"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	p := r.register(t, "ann@example.test")
	id := p.beginAnswer(1)
	patience.Until(t, "something has come", func() bool { return p.job(id, "").Length > 0 })
	run := r.running.Load()
	run.answers.Close()
	r.ahead.Add(int64(time.Hour))
	again := running{sessions: run.sessions}
	if _, err := r.models(&again, r.instance.Providers()); err != nil {
		t.Fatal(err)
	}
	again.answers.Start()
	defer again.answers.Close()
	if s := p.until(id, "error"); s.Error == "" {
		t.Errorf("%+v", s)
	}
	patience.Until(t, "a notification", func() bool { return len(p.notifications()) > 0 })
	if got := p.notifications(); len(got) != 1 || !strings.HasPrefix(got[0], "ai.background.error|t1|") || asked.Load() != 1 {
		t.Errorf("told %q, and the server of models was asked %d times", got, asked.Load())
	}
}
