package host

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/patience"
)

// receiver receives deliveries.
type receiver struct {
	*httptest.Server
	got chan received
}

type received struct {
	header http.Header
	body   []byte
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{got: make(chan received, 100)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		r.got <- received{req.Header, body}
	}))
	t.Cleanup(r.Close)
	return r
}

// next waits for a delivery, verifies its signature and returns its event and the id of its row.
func (r *receiver) next(t *testing.T, secret string) (event, id string) {
	t.Helper()
	d := patience.Receive(t, "a delivery", r.got)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", d.header.Get("X-OR3-Timestamp"), d.body)
	if got, want := d.header.Get("X-OR3-Signature"), "sha256="+hex.EncodeToString(mac.Sum(nil)); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
	var body struct {
		Event string
		Data  struct{ ID string }
	}
	if err := json.Unmarshal(d.body, &body); err != nil || body.Event != d.header.Get("X-OR3-Event") {
		t.Errorf("%s, %v", d.body, err)
	}
	return body.Event, body.Data.ID
}

// hookTo creates a person's webhook for messages and returns its path and secret.
func (p *person) hookTo(url string) (path, secret string) {
	p.t.Helper()
	var made struct {
		Webhook struct{ ID string }
		Secret  string `json:"signing_secret"`
	}
	p.do("POST", "/api/webhooks", fmt.Sprintf(`{"url":%q,"events":["message.created","message.updated"]}`, url), &made)
	return "/api/webhooks/" + made.Webhook.ID, made.Secret
}

// say writes a message.
func (p *person) say(n int) {
	p.t.Helper()
	op := fmt.Sprintf(`{"tableName":"messages","operation":"put","pk":"m%[1]d","payload":{"id":"m%[1]d","thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false,`+
		`"created_at":1,"updated_at":1,"clock":1},"stamp":{"deviceId":"1a2b3c4d","opId":"0f0e3c52-6a50-4b5e-8f3f-%012[1]d","hlc":"0mll3o9og:000:1a2b3c4d","clock":1}}`, n)
	p.do("POST", "/api/sync/push", fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, p.workspace, op), nil)
}

func TestWebhooksAreTold(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false")
	ann, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), ann.workspace, bob.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	bob.do("POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, ann.workspace), nil)
	anns, bobs := newReceiver(t), newReceiver(t)
	path, secret := ann.hookTo(anns.URL)
	bobsPath, bobsSecret := bob.hookTo(bobs.URL)
	ann.say(1)
	if event, id := anns.next(t, secret); event != or3cloud.EventMessageCreated || id != "m1" {
		t.Errorf("%s of %s", event, id)
	}
	if event, id := bobs.next(t, bobsSecret); event != or3cloud.EventMessageCreated || id != "m1" {
		t.Errorf("%s of %s", event, id)
	}
	patience.Until(t, "a healthy log", func() bool {
		var log struct {
			Logs []struct {
				Status string
				HTTP   int `json:"http_status"`
			}
		}
		ann.do("GET", path+"/logs", "", &log)
		return len(log.Logs) == 1 && log.Logs[0].Status == "success" && log.Logs[0].HTTP == 200
	})

	// What belongs to another user can be neither seen nor changed, and someone who has left is told nothing more.
	for _, request := range []string{"GET /logs", "POST /test", "POST /toggle", "DELETE "} {
		var method, rest string
		fmt.Sscanf(request, "%s %s", &method, &rest)
		if res, text, err := ann.send(t.Context(), method, bobsPath+rest, ""); err != nil || res.StatusCode != 403 {
			t.Errorf("%s: %v %s", request, err, text)
		}
	}
	if err := access.RemoveMember(t.Context(), ann.workspace, bob.user); err != nil {
		t.Fatal(err)
	}
	ann.say(2)
	anns.next(t, secret)
	if res, _, err := bob.send(t.Context(), "GET", bobsPath+"/logs", ""); err != nil || res.StatusCode != 404 || len(bobs.got) > 0 {
		t.Errorf("%v, %v, %d deliveries", res, err, len(bobs.got))
	}
}

// The webhooks of an account that is switched off get nothing more, although its user is still a member.
func TestTheWebhooksOfADisabledAccountAreSilent(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false")
	ann, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), ann.workspace, bob.user, or3cloud.RoleEditor); err != nil {
		t.Fatal(err)
	}
	to := newReceiver(t)
	path, _ := ann.hookTo(to.URL)
	disable := func(disabled bool) {
		if err := r.instance.Operate(func(op instance.Operator) error {
			return op.Accounts.SetDisabled(t.Context(), "ann@example.test", disabled)
		}); err != nil {
			t.Fatal(err)
		}
	}
	disable(true)
	bob.workspace = ann.workspace
	bob.say(1)
	store := instance.Ability[or3cloud.WebhookStore](r.instance.Providers(), or3cloud.ProviderSync)
	patience.Until(t, "the delivery is cancelled", func() bool {
		log, err := store.GetDeliveryLogs(t.Context(), strings.TrimPrefix(path, "/api/webhooks/"), time.Time{})
		return err == nil && len(log) == 1 && log[0].Status == or3cloud.DeliveryCancelled
	})
	if len(to.got) > 0 {
		t.Error("it was told")
	}
	disable(false)
	bob.say(2)
	patience.Receive(t, "a delivery to the account that is on again", to.got)
}

// The engine does not know who wrote what was acknowledged before it looks: a server that ends in between reports it
// after the next start.
func TestWhatWasPushedBeforeAStopIsToldAfterTheStart(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false")
	ann := r.register(t, "ann@example.test")
	to := newReceiver(t)
	_, secret := ann.hookTo(to.URL)
	engine := r.running.Load().webhooks
	engine.Close() // as if it were killed: nothing of the push is looked at
	ann.say(1)
	if len(to.got) > 0 {
		t.Error("delivered by a closed engine")
	}
	again := running{sessions: r.running.Load().sessions}
	if _, _, err := r.webhooks(&again, r.instance.Providers()); err != nil {
		t.Fatal(err)
	}
	again.webhooks.Start()
	defer again.webhooks.Close()
	if _, id := to.next(t, secret); id != "m1" {
		t.Error(id)
	}
}

func TestWebhooksThatAreOff(t *testing.T) {
	for _, off := range []string{"OR3_WEBHOOKS_ENABLED=false", "OR3_SYNC_ENABLED=false"} {
		r := startReal(t, eventsapi.Bounds{}, nil, off)
		ann := r.register(t, "ann@example.test")
		if res, text, err := ann.send(t.Context(), "GET", "/api/webhooks", ""); err != nil || res.StatusCode != 404 {
			t.Errorf("%s: %v %s", off, err, text)
		}
	}
	r := startReal(t, eventsapi.Bounds{}, nil)
	ann := r.register(t, "ann@example.test")
	if res, text, err := ann.send(t.Context(), "POST", "/api/webhooks", `{"url":"http://127.0.0.1:1/","events":["message.created"]}`); err != nil || res.StatusCode != 400 {
		t.Errorf("a private address: %v %s", err, text)
	}
}
