package or3cloud_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"or3.chat/cloud/docs"
)

// starts are the functions where following a start begins. The test follows calls, functions passed as arguments, all
// functions assigned to a field, and all types that implement an interface's method.
var starts = []string{
	"(program.serveCommand).run", "(program.engineCommand).run", "(program.configCommand).run",
	"program.noArguments", "program.flagError", "internal/oserror.Explain", "(program/handover.Process).nominate",
	"providers/basicauth.Register", "providers/fs.Register", "providers/sqlite.Register",
}

// begun are functions that run when the start is over, or that print no messages. The test does not follow them.
var begun = map[string]string{
	"(*host.Host).serve":                     "requests",
	"httpapi.Recover":                        "requests",
	"(*engine.Engine).serve":                 "requests",
	"engine.protocol":                        "requests of hosts",
	"(*host/adminapi.API).identify":          "requests",
	"(*host/adminapi.API).webhooks":          "requests",
	"(*providers/basicauth.provider).routes": "requests",
	"(*internal/background.Loop).guarded":    "what runs by itself is logged when it fails",
	"(*providers/sqlite.Store).noticed":      "damage that is found later",
	"(*providers/sqlite.Store).unreadable":   "damage that is found later",
	"(*instance.Instance).closeProviders":    "the end",
	"(*host.Host).Close":                     "the end",
	"(or3.chat/cloud.Provider).Warnings":     "warnings",
	"(*program/vault.Vault).Opened":          "a warning",
	"(program.serveCommand).announce":        "said beside the start",
	"program/notify.Ready":                   "what systemd is told, which is logged when it fails",
	"(program/probe.Server).Alive":           "the watchdog",
	"program/https.explain":                  "what an authority refuses is logged, and tried again",
	"internal/setup.WithChat":                "doctor, in a directory of a Nuxt host",
	"internal/setup.notHere":                 "doctor, in a directory of a Nuxt host",
	"internal/diskspace.Measure":             "what cannot be measured is let alone",
	"web/internal/nuxt.ReadPage":             "what is not understood stays as it was built",
	"web/internal/nuxt.HeadScripts":          "what is not understood stays as it was built",
	"web/internal/nuxt.ReadWorker":           "what is not understood stays as it was built",
	"(*web/internal/nuxt.Page).Configure":    "what is not understood stays as it was built",
	"(*web/internal/nuxt.Worker).Revise":     "what is not understood stays as it was built",
}

// harmless lists functions, or single texts of theirs, that never end a start.
var harmless = map[string]string{
	"(*internal/config.Value).Shown":                     "a part of others",
	"internal/config.foreignEncoding":                    "a part of others",
	"program.didYouMean":                                 "a part of others",
	"program/owner.setpriv":                              "a part of others",
	"program/handover.describeProcess":                   "a part of others",
	"(*program/handover.tail).quote":                     "a part of others",
	"the host":                                           "a part of others",
	"it ended":                                           "a part of others",
	"--addr or OR3_ADDR":                                 "a part of others",
	"locked by another process":                          "becomes another one, of a directory that is in use",
	"the text of a block is packed":                      "blocks are unpacked before they are copied",
	"internal/superadmin.load":                           "is logged, and closes that sign-in alone",
	"internal/superadmin.read":                           "is logged, and closes that sign-in alone",
	"; it is believed because OR3_SHARED_VOLUME is true": "a warning",
}

// TestEveryRefusalToStartIsExplained compares the messages in the source with which the program can refuse to start
// with those in docs/troubleshooting.md.
func TestEveryRefusalToStartIsExplained(t *testing.T) {
	p := typed(t)
	said := map[string]string{}
	unused := maps.Clone(harmless)
	for by, messages := range p.found {
		for message := range messages {
			switch key := docs.Key(verb.ReplaceAllString(message, "…")); {
			case !speaks.MatchString(key):
			case harmless[by] != "":
				delete(unused, by)
			case harmless[key] != "":
				delete(unused, key)
			default:
				said[key] = by
			}
		}
	}
	for name := range unused {
		t.Errorf("%s is listed as harmless, and is not there", name)
	}
	for name := range begun {
		if !p.over[name] {
			t.Errorf("%s is listed as one at which a start is over, and no start comes there", name)
		}
	}
	for name := range p.mute {
		if name != "internal/config.readTrusted" { // a warning, as above
			t.Errorf("%s makes a problem without a fix", name)
		}
	}
	explained := map[string]bool{}
	refusals, err := docs.Refusals()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range refusals {
		if explained[r.Key] {
			t.Errorf("docs/troubleshooting.md has %q twice", r.Text)
		}
		if explained[r.Key] = true; said[r.Key] == "" {
			t.Errorf("docs/troubleshooting.md explains %q, which no start ends with", r.Text)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(said)) {
		if !explained[key] {
			t.Errorf("%s: docs/troubleshooting.md does not explain %q", said[key], key)
		}
	}
}

// speaks matches texts of at least two words, and texts that introduce a reason.
var speaks = regexp.MustCompile(`[A-Za-z]{2}.* .*[A-Za-z]{2}|[A-Za-z]{2}.*:$`)
