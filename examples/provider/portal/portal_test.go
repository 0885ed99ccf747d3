package portal

import (
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providertest"
)

func TestAuth(t *testing.T) {
	secret := func(string) (string, error) { return "a key", nil }
	providertest.TestAuth(t, func(t *testing.T) providertest.Auth {
		clock := providertest.NewClock(time.Now())
		inst, err := open(t.Context(), or3cloud.Env{Now: clock.Now, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		people := 0
		return providertest.Auth{
			ID: "portal", Provider: inst.Auth, Now: clock.Now,
			SignIn: func(t *testing.T) ([]*http.Cookie, or3cloud.ProviderSession) {
				people++
				email := fmt.Sprintf("person%d@example.org", people)
				address := hex.EncodeToString([]byte(email))
				ends := strconv.FormatInt(clock.Now().Add(time.Hour).Unix(), 10)
				value := address + "." + ends + "." + inst.Auth.(*provider).proof(address, ends)
				return []*http.Cookie{{Name: "portal", Value: value}}, or3cloud.ProviderSession{UserID: email, Email: email}
			},
			Expire: func(*testing.T) { clock.Advance(time.Hour) },
		}
	})
}
