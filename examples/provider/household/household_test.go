package household

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providertest"
)

const key = "a key of 32 characters, at the least"

// TestAuth opens the provider as the host does, and signs people in by its route.
func TestAuth(t *testing.T) {
	providertest.TestAuth(t, func(t *testing.T) providertest.Auth {
		inst := opened(t)
		people := 0
		return providertest.Auth{
			ID: id, Provider: inst.Auth, Now: time.Now,
			SignIn: func(t *testing.T) ([]*http.Cookie, or3cloud.ProviderSession) {
				people++
				email := fmt.Sprintf("person%d@example.org", people)
				answer := signIn(inst, email, key)
				if answer.StatusCode != http.StatusOK {
					t.Fatal(answer.Status)
				}
				return answer.Cookies(), or3cloud.ProviderSession{UserID: email, Email: email}
			},
		}
	})
}

func TestSignInTakesTheKeyOfTheHousehold(t *testing.T) {
	inst := opened(t)
	for _, c := range []struct {
		email, key string
		want       int
	}{
		{"ann@example.org", key, http.StatusOK},
		{"ann@example.org", key + "!", http.StatusUnauthorized},
		{"ann@example.org", "", http.StatusUnauthorized},
		{" ", key, http.StatusBadRequest},
	} {
		answer := signIn(inst, c.email, c.key)
		if signedIn := len(answer.Cookies()) > 0; answer.StatusCode != c.want || signedIn != (c.want == http.StatusOK) {
			t.Errorf("%q with %q: %s, %d cookies", c.email, c.key, answer.Status, len(answer.Cookies()))
		}
	}
}

func TestSignInTakesAddressesOfTheDomain(t *testing.T) {
	inst := opened(t, settingDomain+"=example.org")
	if answer := signIn(inst, "ann@example.org", key); answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
	if answer := signIn(inst, "ann@notexample.org", key); answer.StatusCode != http.StatusUnauthorized {
		t.Error(answer.Status)
	}
	families, err := inst.Auth.(metric.Reporter).Metrics(t.Context())
	if err != nil || len(families) != 1 {
		t.Fatal(families, err)
	}
	for i, sample := range families[0].Samples {
		if sample.Value != 1 {
			t.Errorf("%s is %v", families[0].Key(families[0].Samples[i]), sample.Value)
		}
	}
	status, err := inst.Admin[or3cloud.ProviderAuth].GetStatus(t.Context())
	if err != nil || len(status.Warnings) != 0 || status.Details["signIns"] != 1.0 {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestCheckFindsDomainsThatMatchNothing(t *testing.T) {
	for domain, problems := range map[string]int{"example.org": 0, "": 0, "@example.org": 1} {
		if got := check(providertest.Config(t, Register, settingDomain+"="+domain), false); len(got) != problems {
			t.Errorf("%q: %v", domain, got)
		}
	}
}

func opened(t *testing.T, environ ...string) *or3cloud.Instance {
	t.Helper()
	var registry or3cloud.Registry
	if err := Register(&registry); err != nil {
		t.Fatal(err)
	}
	p, _ := registry.Lookup(id)
	inst, err := p.Open(t.Context(), or3cloud.Env{
		Config: providertest.Config(t, Register, environ...), Now: time.Now, Secret: func(string) (string, error) { return key, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inst.Close(); err != nil {
			t.Error(err)
		}
	})
	return inst
}

func signIn(inst *or3cloud.Instance, email, key string) *http.Response {
	answer := httptest.NewRecorder()
	body := strings.NewReader(fmt.Sprintf(`{"email":%q,"key":%q}`, email, key))
	request := httptest.NewRequest(http.MethodPost, "/api/household/sign-in", body)
	request.Header.Set("Content-Type", "application/json")
	providertest.ServeRoutes(inst.Routes).ServeHTTP(answer, request)
	return answer.Result()
}
