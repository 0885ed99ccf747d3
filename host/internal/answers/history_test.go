package answers

import "testing"

// What a message had before an answer continued it is never lost, whatever the outcome.
func TestWhatAnAnswerGoesOnWithStays(t *testing.T) {
	const message = `{"id":"a","data":{"content":"It is \"s"}}`
	for name, c := range map[string]struct{ content, message, want string }{
		"nothing has come":         {`""`, message, `"It is \"s"`},
		"half of it was lost":      {`"It"`, message, `"It is \"s"`},
		"it went on":               {`"It is \"so\"."`, message, `"It is \"so\"."`},
		"there was none":           {`"new"`, `{"data":{"content":[]}}`, `"new"`},
		"no data":                  {`"new"`, `{}`, `"new"`},
		"it is the same as it was": {`"It is \"s"`, message, `"It is \"s"`},
	} {
		if got := string(atLeast([]byte(c.content), []byte(c.message))); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
