package doctor

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/setting"
)

// fewCharacters is the least number of different characters in a random key; one of 32 with fewer is practically
// impossible.
const fewCharacters = 10

// placeholders are words in examples that people forget to replace. They are too long to occur in a random key.
var placeholders = []string{"changeme", "change-me", "change_me", "replace", "example", "password", "placeholder", "your-secret", "your_secret", "openssl"}

// secrets checks how strong keys are. The configuration checks that they are long enough.
func (e *examination) secrets() {
	e.look(AreaSecrets)
	first := map[string]string{} // variable by value
	for _, v := range e.Config.Values() {
		made := v.Setting.Make != ""
		if !v.Setting.Secret || !v.IsSet || !made && !strings.HasSuffix(v.Setting.Name, "_PREVIOUS") {
			continue // a password, for example, which people make up
		}
		p := or3cloud.Problem{Variable: v.Setting.Name,
			Why: "anyone who guesses it can sign in as any user",
			Fix: "Replace it with what this prints: " + cmp.Or(v.Setting.Make, or3cloud.MakeKey)}
		switch other, again := first[v.Text]; {
		case again:
			p.Fault = "is the same as " + other
			p.Why = "anyone who learns one has the other, and what one has signed may pass for the other's"
			e.find(Warning, AreaSecrets, p)
		case made && guessable(v.Text):
			p.Fault = fmt.Sprintf("is not a random key (%d characters, and a word or few different ones)", len([]rune(v.Text)))
			e.find(Warning, AreaSecrets, p)
		case !made && (len([]rune(v.Text)) < or3cloud.MinKeyLength || guessable(v.Text)):
			p.Fault = fmt.Sprintf("is not a random key (%d characters)", len([]rune(v.Text)))
			p.Why = "anyone who guesses it can sign in as any user, as long as it is accepted"
			p.Fix = "Remove it: it is needed only until what it has signed has expired."
			e.find(Warning, AreaSecrets, p)
		}
		first[v.Text] = v.Setting.Name
	}
}

// superAdmin compares the super administrator of the environment with the one who signs in.
func (e *examination) superAdmin(ctx context.Context) {
	admin := superadmin.New(superadmin.Options{Config: e.Config, DataDir: e.DataDir})
	if admin == nil || e.DataDir == "" || e.Nuxt != "" {
		return
	}
	if _, err := os.Stat(e.DataDir); err != nil {
		return // before the first start
	}
	differs, err := admin.Differs(ctx)
	if err != nil {
		e.find(Error, AreaSecrets, or3cloud.Problem{
			Variable: setting.AdminUsername, Fault: "has credentials that cannot be read: " + err.Error(), Why: "the super administrator cannot sign in",
			Fix: "Set a new password with or3-cloud admin password.",
		})
	}
	for _, name := range differs {
		e.find(Warning, AreaSecrets, or3cloud.Problem{
			Variable: name, Fault: "is not what the super administrator signs in with: it was read at the first sign-in, and " + superadmin.File + " has counted since",
			Why: "changing its value has no effect", Fix: "Set name and password with or3-cloud admin password.",
		})
	}
}

// guessable reports whether a key looks as if a person had made it up.
func guessable(key string) bool {
	lower := strings.ToLower(key)
	if slices.ContainsFunc(placeholders, func(word string) bool { return strings.Contains(lower, word) }) {
		return true
	}
	different := map[rune]bool{}
	for _, r := range key {
		different[r] = true
	}
	return len(different) < fewCharacters
}
