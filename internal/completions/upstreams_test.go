package completions

import (
	"fmt"
	"strings"
	"testing"
)

// config is a Config over texts.
type config map[string]string

func (c config) String(name string) string { return c[name] }
func (c config) Bool(name string) bool     { return c[name] == "true" }
func (c config) Int(name string) (n int64) { _, _ = fmt.Sscan(c[name], &n); return n }
func (c config) List(name string) []string {
	return strings.FieldsFunc(c[name], func(r rune) bool { return r == ',' })
}

func TestWhichServerAModelIsAskedOf(t *testing.T) {
	u, problems := Configured(config{
		"OPENROUTER_API_KEY": " sk-or-key\n", "OR3_MODEL_UPSTREAMS": "ollama=http://127.0.0.1:11434/v1/, team = https://llm.example/api",
		"OR3_MODEL_UPSTREAM_KEYS": "team=sk=team\n",
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for model, want := range map[string]string{
		"openai/gpt-5":          "|https://openrouter.ai/api/v1|sk-or-key|openai/gpt-5",
		"ollama/llama3.2":       "ollama|http://127.0.0.1:11434/v1||llama3.2",
		"team/openai/gpt-5:low": "team|https://llm.example/api|sk=team|openai/gpt-5:low",
		"ollama":                "|https://openrouter.ai/api/v1|sk-or-key|ollama",
		"Ollama/x":              "|https://openrouter.ai/api/v1|sk-or-key|Ollama/x",
		"":                      "|https://openrouter.ai/api/v1|sk-or-key|",
	} {
		to, there := u.Of(model)
		if got := strings.Join([]string{to.Name, to.Base, to.Key, there}, "|"); got != want {
			t.Errorf("%q: %s, want %s", model, got, want)
		}
	}
	if other, _ := Configured(config{"OR3_OPENROUTER_BASE_URL": "https://user:pass@models.example/v1/?a=b"}); other.router.Base != "https://models.example/v1" {
		t.Error(other.router.Base)
	}
}

func TestWhenServersOfModelsAreAsked(t *testing.T) {
	for _, c := range []struct {
		config
		offered, served bool
	}{
		{config{}, false, false},
		{config{"OR3_OPENROUTER_ALLOW_USER_OVERRIDE": "true", "OR3_BACKGROUND_ENCRYPTION_KEY": "x"}, false, false},
		{config{"OPENROUTER_API_KEY": "   "}, false, false},
		{config{"OR3_OPENROUTER_BASE_URL": "https://models.example/v1"}, false, true},
		{config{"OR3_OPENROUTER_REQUIRE_USER_KEY": "true"}, false, true},
		{config{"OR3_BACKGROUND_STREAMING_ENABLED": "true"}, false, true},
		{config{"OPENROUTER_API_KEY": "sk-or-key"}, true, true},
		{config{"OR3_MODEL_UPSTREAMS": "ollama=http://127.0.0.1:11434/v1"}, true, true},
	} {
		if u, _ := Configured(c.config); u.Offered() != c.offered || u.Served() != c.served {
			t.Errorf("%v: offered %t, served %t", c.config, u.Offered(), u.Served())
		}
	}
}

func TestFaultsOfTheConfiguration(t *testing.T) {
	const secret = "sk-secret"
	for _, c := range []struct {
		config
		variable string
	}{
		{config{"OPENROUTER_API_KEY": secret + " x"}, "OPENROUTER_API_KEY"},
		{config{"OR3_MODEL_UPSTREAMS": "https://" + secret + "@127.0.0.1/v1"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a b=http://127.0.0.1/v1"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=127.0.0.1/v1"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=file:///etc/passwd"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=https://me:" + secret + "@llm.example/v1"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=https://llm.example/v1?key=" + secret}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=http://x/v1,a=http://y/v1"}, "OR3_MODEL_UPSTREAMS"},
		{config{"OR3_MODEL_UPSTREAM_KEYS": "a=" + secret}, "OR3_MODEL_UPSTREAM_KEYS"},
		{config{"OR3_MODEL_UPSTREAM_KEYS": secret + "=x="}, "OR3_MODEL_UPSTREAM_KEYS"},
		{config{"OR3_MODEL_UPSTREAMS": "a=http://x/v1", "OR3_MODEL_UPSTREAM_KEYS": "a=" + secret + " b"}, "OR3_MODEL_UPSTREAM_KEYS"},
	} {
		_, problems := Configured(c.config)
		if len(problems) != 1 || problems[0].Variable != c.variable || problems[0].Fix == "" || strings.Contains(problems[0].String(), secret) {
			t.Errorf("%v: %v", c.config, problems)
		}
	}
}
