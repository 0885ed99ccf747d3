package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// pipeline runs h behind Log and Recover and returns the answer and the log.
func pipeline(t *testing.T, r *http.Request, h http.Handler) (*httptest.ResponseRecorder, string) {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != nil && p != http.ErrAbortHandler {
				t.Errorf("a panic got through: %v", p)
			}
		}()
		Chain(h, Log(log, time.Now, strings.NewReader("0123456789abcdef")), Recover(log)).ServeHTTP(w, r)
	}()
	return w, out.String()
}

func TestLogLineTellsTheRequestAndNoSecrets(t *testing.T) {
	r := httptest.NewRequest("PUT", "/api/storage/fs/upload?token=SECRET", strings.NewReader("SECRET"))
	r.Header.Set("Cookie", "or3_access=SECRET")
	r.Header.Set("Authorization", "Bearer SECRET")
	r.Header.Set("Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
	w, log := pipeline(t, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		WriteError(w, r, or3cloud.Unavailable(errors.New("disk trouble"), "Service Unavailable", time.Second))
	}))
	var line map[string]any
	if err := json.Unmarshal([]byte(log), &line); err != nil {
		t.Fatalf("not one line: %s", log)
	}
	if line["method"] != "PUT" || line["path"] != "/api/storage/fs/upload" || line["status"] != 503. ||
		line["request_id"] != w.Header().Get("X-Request-Id") || len(w.Header().Get("X-Request-Id")) != 16 ||
		line["trace_id"] != "4bf92f3577b34da6a3ce929d0e0e4736" || line["parent_id"] != "00f067aa0ba902b7" ||
		!strings.Contains(line["error"].(string), "disk trouble") {
		t.Errorf("%v", line)
	}
	if strings.Contains(log, "SECRET") {
		t.Error(log)
	}
}

// TestOrdinaryRequestsAreDebugLines checks the level of the log line for each kind of answer. At the default level,
// ordinary requests must not drown events.
func TestOrdinaryRequestsAreDebugLines(t *testing.T) {
	for name, tc := range map[string]struct {
		level string
		path  string
		err   error
	}{
		"success":              {"DEBUG", "/api/x", nil},
		"health check":         {"DEBUG", "/api/health", nil},
		"health not ready":     {"DEBUG", "/api/health/ready", or3cloud.Unavailable(nil, "The server is starting", time.Second)},
		"no session":           {"DEBUG", "/api/x", or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")},
		"not found":            {"DEBUG", "/api/x", or3cloud.Errorf(or3cloud.CodeNotFound, "Not found")},
		"refusal with a cause": {"INFO", "/api/x", or3cloud.WrapError(errors.New("more than the client is told"), or3cloud.CodeForbidden, "Forbidden")},
		"busy":                 {"WARN", "/api/x", or3cloud.Unavailable(errors.New("disk trouble"), "Service Unavailable", time.Second)},
		"fault":                {"ERROR", "/api/x", errors.New("a mistake")},
	} {
		_, log := pipeline(t, httptest.NewRequest("GET", tc.path, nil), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if tc.err != nil {
				WriteError(w, r, tc.err)
			}
		}))
		var line struct{ Level, Msg string }
		if err := json.Unmarshal([]byte(log), &line); err != nil || line.Level != tc.level || line.Msg != "request" {
			t.Errorf("%s: %s %v", name, log, err)
		}
	}
}

func TestLogLineHasNoTokenOfALink(t *testing.T) {
	for _, target := range []string{"/?invite=SECRET", "/?setup=SECRET", "/chat?next=%2F%3Finvite%3DSECRET", "/api/nowhere?reset=SECRET&confirm-email=SECRET"} {
		r := httptest.NewRequest("GET", target, nil)
		r.Header.Set("Referer", "http://example.com/?invite=SECRET")
		r.Header.Set("X-Or3-Invite-Token", "SECRET")
		w, log := pipeline(t, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			WriteError(w, r, NotFound(w, r))
		}))
		if !strings.Contains(log, "404") || strings.Contains(log, "SECRET") {
			t.Errorf("%s: %s", target, log)
		}
		if strings.Contains(w.Body.String(), "SECRET") && !strings.Contains(target, "next=") {
			t.Errorf("%s: %s", target, w.Body)
		}
	}
}

func TestPanicIsA500(t *testing.T) {
	w, log := pipeline(t, httptest.NewRequest("GET", "/api/x", nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		panic("boom")
	}))
	if w.Code != 500 || !strings.Contains(w.Body.String(), `"Server Error"`) || strings.Contains(w.Body.String(), "boom") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log, "boom") || !strings.Contains(log, "stack") {
		t.Error(log)
	}
}

func TestPanicAfterTheAnswerBeganBreaksTheConnection(t *testing.T) {
	srv := httptest.NewServer(Chain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("boom")
	}), Log(slog.New(slog.DiscardHandler), time.Now, strings.NewReader("01234567")), Recover(slog.New(slog.DiscardHandler))))
	defer srv.Close()
	res, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("the cut answer %q looks whole", text)
	}
}

func TestHandlerThatWritesNothingIsLoggedAs200(t *testing.T) {
	_, log := pipeline(t, httptest.NewRequest("GET", "/", nil), http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if !strings.Contains(log, `"status":200`) {
		t.Error(log)
	}
}

func TestHealthChecksAreQuiet(t *testing.T) {
	_, log := pipeline(t, httptest.NewRequest("GET", "/api/health", nil), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
	}))
	if !strings.Contains(log, "DEBUG") {
		t.Error(log)
	}
}

// Wrapping must not disable the kernel's file copy or flushing.
func TestRecorderKeepsTheWriterAbilities(t *testing.T) {
	w, r := WithRecord(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), &Record{})
	if _, ok := w.(io.ReaderFrom); !ok {
		t.Error("no ReadFrom")
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Error(err)
	}
	if n, err := io.Copy(w, strings.NewReader("abc")); n != 3 || err != nil {
		t.Error(n, err)
	}
	if rec := RecordOf(r); rec.Bytes != 3 || rec.Status != 200 {
		t.Errorf("%+v", rec)
	}
}
