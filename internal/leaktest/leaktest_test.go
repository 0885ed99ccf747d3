package leaktest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// failures counts what Check reports.
type failures struct {
	testing.TB
	lines []string
}

func (f *failures) Helper() {}

func (f *failures) Errorf(_ string, args ...any) { f.lines = append(f.lines, args[0].(string)) }

func TestEverySecretOfAnExchangeIsFound(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), "correct horse") {
			t.Errorf("the body did not arrive: %s", body)
		}
		http.SetCookie(w, &http.Cookie{Name: "or3_access", Value: "access-cookie-value"})
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		io.WriteString(w, `{"url":"/api/storage/fs/upload?token=signed-token-value","recoveryCodes":["first-recovery-code"]}`)
	}))
	defer server.Close()
	var w Watch
	client := &http.Client{Transport: w.Transport(http.DefaultTransport)}
	req, _ := http.NewRequest("POST", server.URL+"/?invite=invite-token-value", strings.NewReader(`{"email":"ann@example.test","password":"correct horse"}`))
	req.Header.Set("Content-Type", "application/json")
	req.AddCookie(&http.Cookie{Name: "or3_refresh", Value: "refresh-cookie-value"})
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(body), "signed-token-value") {
		t.Errorf("the answer was changed: %s, %v", body, err)
	}
	res.Body.Close()
	secrets := []string{
		"access-cookie-value", "refresh-cookie-value", "signed-token-value", "invite-token-value", "first-recovery-code", "ann@example.test",
		"correct horse", "correct+horse", "correct%20horse", "ann%40example.test",
	}
	for _, secret := range secrets {
		f := &failures{TB: t}
		w.Check(f, "one line\nlevel=INFO msg="+secret+"\nanother")
		if len(f.lines) != 1 {
			t.Errorf("%s in the log: %d failures", secret, len(f.lines))
		}
	}
	w.Check(t, "level=INFO email=a…@example.test path=/api/storage/fs/upload")
}
