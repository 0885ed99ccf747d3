//go:build unix

package e2e

import (
	"regexp"
	"strings"
)

// keyStep makes a key as several pages say.
var keyStep = step{text: "openssl rand -base64 32", want: `^[A-Za-z0-9+/]{43}=\n$`}

// configurationSteps follow docs/configuration.md.
var configurationSteps = []step{keyStep}

// troubleshootingSteps follow docs/troubleshooting.md, whose messages startup_test.go and program/refusals_test.go
// compare with the program's.
var troubleshootingSteps = []step{
	{text: "or3-cloud: the configuration has 1 problem, so nothing was started:", use: func(w *walk, block string) {
		out := w.run(step{
			text: "an origin that is none", run: "printf 'OR3_PUBLIC_URL=cloud.example.org\\n' > .env; or3-cloud serve; code=$?; rm .env; exit $code", exit: 1,
		})
		if want := regexp.MustCompile(`(?m)^    `).ReplaceAllString(block, ""); !strings.Contains(out, strings.TrimSpace(want)) {
			w.t.Errorf("the program says\n%s\nand %s\n%s", out, w.doc, want)
		}
	}},
	{
		text:      "or3-cloud: open the data directory: /srv/data: permission denied. It belongs to root (mode 0700), and this process runs as cloud. …",
		elsewhere: "TestRefusedStartsNameFileReasonAndFix has a data directory of another user",
	},
	{text: "journalctl -u or3-cloud", run: "journalctl --no-pager --lines 0 -u or3-cloud", tool: "journalctl"},
	{text: "or3-cloud serve --help", want: `--addr`},
	{text: "sudo ss -ltnp", run: "ss -ltn", tool: "ss"},
	keyStep,
	{text: "or3-cloud build --with PACKAGE", elsewhere: "TestBuilds links a provider of another module"},
	{text: "mkdir -m 700 -p PATH", run: "mkdir -m 700 -p some/path && stat -c %a some/path", want: `^700\n$`},
	{text: "sudo or3-cloud serve", elsewhere: "TestNoCommandOfRootLeavesFilesOfRoot starts it as root"},
	{text: "sudo systemctl start or3-cloud", elsewhere: "TestTheDeb starts the unit"},
	{text: "or3-cloud config --web FOLDER", run: "or3-cloud config --web client", before: func(w *walk) {
		w.write("client/index.html", "<!doctype html><title>client</title>", 0o644)
	}, want: `web\.form`},
}

// monitoringSteps follow docs/monitoring.md.
var monitoringSteps = []step{
	{text: "openssl rand -base64 32", want: `^\S{44}\n$`},
	{text: "go build -trimpath -tags otlp -o or3-cloud ./cmd/or3-cloud", elsewhere: "TestMetricsAreSentByOTLP starts a server of this build"},
	{text: "or3-cloud status", before: startWalk, want: `, ready, up .*Nothing needs attention|, ready, up .*Needs attention`},
	{text: "or3-cloud status --json", want: `"ready": true`},
	{text: "or3-cloud logs", want: `msg=ready`},
	{text: "or3-cloud logs --level warn --lines 500"},
	{text: "or3-cloud logs --follow --level debug", want: `msg=ready`,
		run: "or3-cloud logs --follow --level debug > followed & until grep -q msg=ready followed; do sleep 0.1; done; kill $!; cat followed"},
	{text: "or3-cloud log-level debug", want: `^debug\n$`},
	{text: "or3-cloud log-level info", want: `^info\n$`},
}

// nuxtHostSteps follow docs/nuxt-host.md. Its named blocks are read by the tests of npm/matrix, which build hosts and
// use them.
var nuxtHostSteps = []step{
	{text: "make dist SYSTEMS=linux/amd64", run: "make -n dist SYSTEMS=linux/amd64", want: `scripts/dist.*linux/amd64`, repository: true},
	{text: "npm --prefix npm ci", run: "grep -q 'npm ci' scripts/npm", repository: true},
	{
		text: "npm --prefix npm run build --workspaces --if-present", run: "grep -q 'npm run .*build --workspaces' scripts/npm",
		repository: true,
	},
	{
		text: "node npm/or3-cloud-engine/scripts/release.mjs dist dist/npm", run: "grep -q 'npm/or3-cloud-engine/scripts/release.mjs' npm/matrix/test/release.ts",
		repository: true,
	},
	{text: "FROM node:24-slim AS build", elsewhere: "npm/matrix/test/hosts.test.ts does the same: it builds, moves the output away from its sources, and starts it"},
	{text: "mkdir -m 700 -p /var/lib/or3-cloud", run: "mkdir -m 700 -p host/data && stat -c %a host/data", want: `^700\n$`},
}

// accountsAPISteps follow docs/accounts-api.md.
var accountsAPISteps = []step{
	{
		text:      `{"statusCode":403,"statusMessage":"Please confirm that it is you.","message":"…","data":{"code":"reauthentication_required","methods":["password","passkey"]}}`,
		elsewhere: "providers/basicauth/reauthenticate_test.go gets it",
	},
	{text: "or3-cloud user passwd --reset-factors", run: "or3-cloud user passwd --help", want: `--reset-factors`},
}

// engineSteps follow docs/engine.md.
var engineSteps = []step{
	{text: "make generate", run: "make -n generate", want: `scripts/generate`, repository: true},
	{
		text: "or3-cloud engine --attached", run: "SSR_AUTH_ENABLED=true or3-cloud engine --attached < /dev/null",
		want: `(?m)^\{"socket":"\S+","place":"\S+engine\.json","version":"[^"]+","protocol":\{"oldest":1,"current":1\},"pid":\d+,"joined":false\}\n`,
	},
	{
		text:      `{"socket":"/data/engine.sock","place":"/data/engine.json","version":"1.4.0","protocol":{"oldest":1,"current":1},"pid":123,"joined":false}`,
		elsewhere: "is what the command above prints",
	},
	{
		text:      "Or3-Engine-Caller: encodeURIComponent(JSON.stringify({clientIp, host, https, user: {id, provider, providerUserId, sessionId}}))",
		elsewhere: "npm/or3-cloud-engine/src/engine.ts sends it in each call",
	},
}

// glossarySteps follow docs/glossary.md.
var glossarySteps = []step{{text: "or3-cloud fsck --quarantine", run: "or3-cloud fsck --help", want: `--quarantine`}}

// architectureSteps follow docs/architecture.md.
var architectureSteps = []step{
	{text: "browser (OR3 Chat)                                OR3 Chat's own server", elsewhere: "is a picture"},
	{text: "go list", elsewhere: "imports_test.go runs it"},
	{text: "go generate", elsewhere: "TestProvidersAreGenerated runs what it runs"},
	{text: "go run ./docs/site/write FOLDER", run: `folder=$(mktemp -d) && trap 'rm -rf "$folder"' EXIT && go run ./docs/site/write "$folder" && ls "$folder"`, want: `index\.html`, repository: true},
	{text: "make dist", run: "make -n dist", want: `scripts/dist`, repository: true},
}

var (
	// logStep follows docs/internals/sync.md.
	logStep = step{text: "or3-cloud log WORKSPACE 17", run: "or3-cloud log --help", want: `WORKSPACE \[VERSION`}
	// matrixStep follows docs/internals/client.md.
	matrixStep = step{text: "scripts/matrix newest_host", run: "grep -q '^newest_host()' scripts/matrix", repository: true}
)

// testingSteps follow docs/internals/testing.md.
var testingSteps = []step{
	{text: "scripts/run.mjs PAIR", run: "grep -q 'host-fixture/scripts/run.mjs' scripts/npm", repository: true},
	{text: "make generate", run: "make -n generate", want: `scripts/generate`, repository: true},
	{text: "scripts/matrix releases", run: "grep -q '^releases()' scripts/matrix", repository: true},
	{text: "make bench", run: "make -n bench", repository: true},
	{text: `make bench BENCHFLAGS="-only sync -against PATH"`, run: `make -n bench BENCHFLAGS="-only sync -against PATH"`, want: `-only sync -against PATH`, repository: true},
}
