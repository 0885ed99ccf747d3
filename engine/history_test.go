package engine

import (
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// TestFinalWordsOfGenerations: a host looks for words in messages to tell permanent failures from temporary ones, so
// the errors of the front have them, too.
func TestFinalWordsOfGenerations(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
	user := must(r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "nobody", ProviderUserID: "ann"}))(t)
	ws := must(r.store().GetOrCreateDefaultWorkspace(t.Context(), user))(t).ID
	envelope := func(more string) string {
		return fmt.Sprintf(`{"version":1,"kind":"continuation","admissionId":"a","generationId":"g","workspaceId":%q,"threadId":"t","messageId":"m",`+
			`"expectedAssistant":{"clock":1},"assistantMessage":{"id":"m","thread_id":"t","role":"assistant","clock":2}%s}`, ws, more)
	}
	for name, c := range map[string]struct {
		user, body string
		code       or3cloud.Code
	}{
		"no object":                   {user, `7`, or3cloud.CodeInvalid},
		"nothing":                     {user, `{}`, or3cloud.CodeInvalid},
		"no JSON":                     {user, `{`, or3cloud.CodeInvalid},
		"another version":             {user, envelope(`,"version":2`), or3cloud.CodeInvalid},
		"no version":                  {user, envelope(`,"version":null`), or3cloud.CodeInvalid},
		"a clock between":             {user, envelope(`,"expectedAssistant":{"clock":1.5}`), or3cloud.CodeInvalid},
		"records beyond all bounds":   {user, envelope(`,"thread":"` + strings.Repeat("x", generationBody) + `"`), or3cloud.CodeTooLarge},
		"a thread that is none":       {user, envelope(`,"thread":7`), or3cloud.CodeInvalid},
		"someone who is not a member": {"nobody", envelope(""), or3cloud.CodeForbidden},
		"no user":                     {"", envelope(""), or3cloud.CodeInvalid},
	} {
		_, err := ask[admitted](t.Context(), r.client, forUser(c.user), "sync/admit-chat-generation", []byte(c.body))
		if or3cloud.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %q", name, err, c.code)
			continue
		}
		if text := strings.ToLower(err.Error()); c.user != "" && !strings.Contains(text, "invalid") && !strings.Contains(text, "forbidden") {
			t.Errorf("%s: a host would try again after %q", name, text)
		}
	}
	if out, err := ask[admitted](t.Context(), r.client, forUser(user), "sync/admit-chat-generation", []byte(envelope(`,"thread":null,"extra":{}`))); err != nil || out.Status != "admitted" {
		t.Errorf("%+v, %v", out, err)
	}
}

// must returns a value or fails the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
