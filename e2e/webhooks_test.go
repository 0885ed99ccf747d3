package e2e

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
	"sync"
	"testing"

	"github.com/google/uuid"

	"or3.chat/cloud/internal/patience"
)

// hookReceiver receives deliveries, verifies their signatures and remembers which rows they concern. While it is broken
// it refuses them.
type hookReceiver struct {
	t      *testing.T
	url    string
	mu     sync.Mutex
	secret string
	broken bool
	rows   map[string]int // how often a row was received
	events map[string]bool
}

func newHookReceiver(t *testing.T) *hookReceiver {
	h := &hookReceiver{t: t, rows: map[string]int{}, events: map[string]bool{}}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	h.url = srv.URL + "/token-in-the-path"
	return h
}

// ServeHTTP implements http.Handler.
func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.broken {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	mac := hmac.New(sha256.New, []byte(h.secret))
	fmt.Fprintf(mac, "%s.%s", r.Header.Get("X-OR3-Timestamp"), body)
	var in struct {
		Event   string `json:"event"`
		EventID string `json:"event_id"`
		Data    struct {
			ID      string `json:"id"`
			Content string `json:"content"`
		} `json:"data"`
	}
	if err != nil || json.Unmarshal(body, &in) != nil || r.Header.Get("X-OR3-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) ||
		in.Event != "message.created" || in.EventID != r.Header.Get("X-OR3-Event-ID") || in.Data.Content != "said in confidence" {
		h.t.Errorf("delivery %s with %v", body, r.Header)
	}
	h.rows[in.Data.ID]++
	h.events[in.EventID] = true
}

// set says whether deliveries are refused.
func (h *hookReceiver) set(broken bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = broken
}

// waitFor waits until every row has arrived.
func (h *hookReceiver) waitFor(rows []string) {
	h.t.Helper()
	patience.Until(h.t, fmt.Sprintf("the delivery of %d rows", len(rows)), func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		for _, id := range rows {
			if h.rows[id] == 0 {
				return false
			}
		}
		return true
	})
}

// say pushes a message and returns its id.
func (d *device) say(workspace string) string {
	d.t.Helper()
	id := uuid.NewString()
	payload := fmt.Sprintf(`{"id":%q,"thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false,"created_at":1,"updated_at":1,"clock":1,`+
		`"data":{"content":"said in confidence"}}`, id)
	res := d.push(workspace, op{
		ID: uuid.NewString(), TableName: "messages", Operation: "put", PK: id, Payload: json.RawMessage(payload), Status: "pending",
		Stamp: stamp{DeviceID: "1a2b3c4d", OpID: uuid.NewString(), HLC: "0mll3o9og:000:1a2b3c4d", Clock: 1},
	})
	if len(res.Results) != 1 || !res.Results[0].Success {
		d.t.Fatalf("%+v", res)
	}
	return id
}

// TestWebhooksSurviveKills sends messages to a receiver and kills the server between the push and the delivery, again
// and again: everything that was acknowledged arrives, signed, and neither the log of the server nor its answers reveal
// secrets.
func TestWebhooksSurviveKills(t *testing.T) {
	srv := startServer(t, withEnv("OR3_WEBHOOKS_BLOCK_PRIVATE_IPS", "false"))
	d := newDevice(t, srv, "first")
	ws := d.register("webhooks@example.test").Workspace.ID
	to := newHookReceiver(t)
	var made struct {
		Webhook       struct{ ID string }
		SigningSecret string `json:"signing_secret"`
	}
	d.call("POST", "/api/webhooks", obj{"url": to.url, "events": []string{"message.created"}}).decode(t, &made)
	to.secret = made.SigningSecret

	rows := []string{d.say(ws)}
	to.waitFor(rows)
	for range 3 {
		to.set(true)
		rows = append(rows, d.say(ws), d.say(ws))
		srv.kill()
		to.set(false)
		srv.start()
		rows = append(rows, d.say(ws))
		to.waitFor(rows)
	}
	to.mu.Lock()
	for id, n := range to.rows {
		if n > 2 {
			t.Errorf("%s came %d times", id, n)
		}
	}
	if len(to.events) != len(rows) {
		t.Errorf("%d events of %d messages", len(to.events), len(rows))
	}
	to.mu.Unlock()

	r := d.call("GET", "/api/webhooks/"+made.Webhook.ID+"/logs", nil)
	if r.status != 200 || strings.Contains(string(r.body), made.SigningSecret) {
		t.Errorf("%s", r)
	}
	for what, text := range map[string]string{"a secret": made.SigningSecret, "what was said": "said in confidence", "an address": "token-in-the-path"} {
		if strings.Contains(srv.logs.String(), text) {
			t.Errorf("the log of the server has %s", what)
		}
	}
}
