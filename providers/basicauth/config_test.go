package basicauth

import (
	"testing"

	"or3.chat/cloud/setting"
)

func TestConfigSaysWhatAPageMayOffer(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "disabled", settingMinPassword: "12"})
	in.browser().get("config").want(t, 200,
		`{"registration":"disabled","mail":false,"passkeys":true,"passkeyDomain":"cloud.test","passwordMinLength":12,"setupRequired":true}`)

	in = openTest(t, nil)
	in.signedIn("ann@example.test")
	in.browser().get("config").want(t, 200,
		`{"registration":"open","mail":false,"passkeys":true,"passkeyDomain":"cloud.test","passwordMinLength":8,"setupRequired":false}`)
	in.browser().get("config", "Origin", "https://evil.test").want(t, 403, "Forbidden")
}
