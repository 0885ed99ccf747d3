package chatapi_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/chatapi"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/jobapi"
	"or3.chat/cloud/httpapi"
)

// api are the endpoints about chats and jobs where neither is served.
func api(h *hosttest.Host) []or3cloud.Route {
	return append(chatapi.New(chatapi.Options{Host: h}).Routes(), jobapi.New(jobapi.Options{Host: h}).Routes()...)
}

const refusal = `{"error":{"message":"This server does not fetch answers with a key of its own. Connect your own OpenRouter account to chat.",` +
	`"code":"ERR_AUTH","source":"provider"},"code":"background_streaming_disabled"}`

// Both clients continue with the user's own key after 404, and the newest one after nothing else; it takes any answer
// with the header x-or3-stream-route to mean that the route exists. Without a key both show the answer, unless it is
// 404 or 405.
func TestAnswersAreNotStreamed(t *testing.T) {
	for _, c := range []struct {
		name, header, value string
		status              int
	}{
		{"own key", "X-Or3-Openrouter-Key", "sk-or-v1-x", 404},
		{"own key as a bearer", "Authorization", "Bearer sk-or-v1-x", 404},
		{"no key", "", "", 400},
		{"blank key", "X-Or3-Openrouter-Key", " ", 400},
		{"no bearer", "Authorization", "Basic x", 400},
		{"blank bearer", "Authorization", "Bearer ", 400},
	} {
		for _, body := range []string{`{"model":"x","messages":[],"stream":true}`, `{"_background":true,"_threadId":"t"}`, "no JSON", ""} {
			r := hosttest.NewRequest("POST", "/api/openrouter/stream", body)
			if c.header != "" {
				r.Header.Set(c.header, c.value)
			}
			w := hosttest.Send(t, api(&hosttest.Host{}), r)
			if w.Code != c.status || w.Body.String() != refusal || w.Header().Get("x-or3-stream-route") != "" || w.Header().Get("Retry-After") != "" {
				t.Errorf("%s, %q: %d %v %s", c.name, body, w.Code, w.Header(), w.Body)
			}
		}
	}
}

// A chat with pictures is large, and a browser that is still sending would see a broken connection.
func TestALargeChatSeesTheRefusal(t *testing.T) {
	router := hosttest.Router(t, api(&hosttest.Host{}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw, r := httpapi.WithRecord(w, r, httpapi.RecordOf(r))
		httpapi.Respond(rw, r, router.Serve)
	}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 8 << 20
	_, err = io.WriteString(conn, "POST /api/openrouter/stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8388608\r\n\r\n"+strings.Repeat("x", size))
	if err != nil {
		t.Fatal("the connection was broken off:", err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.HasSuffix(string(answer), refusal) {
		t.Errorf("%v %q", err, answer)
	}
}

func TestQuestionsAboutBackgroundWork(t *testing.T) {
	stranger, broken := &hosttest.Host{}, hosttest.Member(or3cloud.RoleOwner)
	broken.Err = or3cloud.Unavailable(errors.New("down"), "Service Unavailable", 0)
	for _, c := range []struct {
		who                  *hosttest.Host
		method, target, body string
		status               int
		want                 string
	}{
		{hosttest.Member(or3cloud.RoleViewer), "GET", "/api/chat/history-readiness?thread_id=t", "", 200, `{"ready":false}`},
		{hosttest.Member(or3cloud.RoleViewer), "GET", "/api/chat/history-readiness", "", 400, `"Invalid thread"`},
		{hosttest.Member(or3cloud.RoleViewer), "GET", "/api/chat/history-readiness?thread_id=" + strings.Repeat("t", 201), "", 400, `"Invalid thread"`},
		{stranger, "GET", "/api/chat/history-readiness?thread_id=t", "", 401, `"Unauthorized"`},
		{broken, "GET", "/api/chat/history-readiness?thread_id=t", "", 503, `"Service Unavailable"`},
		{hosttest.Member(or3cloud.RoleEditor), "GET", "/api/jobs/client-tool/capability", "", 200, `{"available":false}`},
		{hosttest.Member(or3cloud.RoleViewer), "GET", "/api/jobs/client-tool/capability", "", 403, `"Forbidden"`},
		{stranger, "GET", "/api/jobs/client-tool/capability", "", 401, `"Unauthorized"`},
		{hosttest.Member(or3cloud.RoleEditor), "GET", "/api/jobs/admission/a", "", 404, `{"error":"No job for this admission"}`},
		{hosttest.Member(or3cloud.RoleEditor), "GET", "/api/jobs/admission/" + strings.Repeat("a", 129), "", 400, `{"error":"Missing admission ID"}`},
		{stranger, "GET", "/api/jobs/admission/a", "", 401, `{"error":"Authentication required"}`},
		{broken, "GET", "/api/jobs/admission/a", "", 503, `"Service Unavailable"`},
		{hosttest.Member(or3cloud.RoleEditor), "POST", "/api/jobs/admission-abort", `{"admissionId":"a"}`, 200, `{"aborted":false,"pending":false,"state":"already_terminal"}`},
		{hosttest.Member(or3cloud.RoleEditor), "POST", "/api/jobs/admission-abort", `{"admissionId":1}`, 400, `{"aborted":false,"pending":false,"error":"Missing admission ID"}`},
		{hosttest.Member(or3cloud.RoleEditor), "POST", "/api/jobs/admission-abort", `{`, 400, `{"aborted":false,"pending":false,"error":"Missing admission ID"}`},
		{stranger, "POST", "/api/jobs/admission-abort", `{"admissionId":"a"}`, 401, `{"aborted":false,"pending":false,"error":"Authentication required"}`},
		{broken, "POST", "/api/jobs/admission-abort", `{"admissionId":"a"}`, 503, `"Service Unavailable"`},
	} {
		w := hosttest.Do(t, api(c.who), c.method, c.target, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s %s: %d %s", c.method, c.target, c.body, w.Code, w.Body)
		}
	}
}
