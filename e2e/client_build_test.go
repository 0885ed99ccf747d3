//go:build unix

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// clientBuild is scripts/client in a repository of its own, with a checkout beside it and tools that only record their
// calls.
type clientBuild struct {
	t    *testing.T
	root string
	// page is the page that the build makes; if empty, it makes none.
	page string
}

func (b clientBuild) path(name string) string { return filepath.Join(b.root, name) }

func (b clientBuild) write(name, text string) {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

func newClientBuild(t *testing.T, page string) clientBuild {
	t.Helper()
	b := clientBuild{t: t, root: t.TempDir(), page: page}
	script, err := os.ReadFile("../scripts/client")
	if err != nil {
		t.Fatal(err)
	}
	b.write("or3-cloud/scripts/client", string(script))
	b.write("or3-cloud/npm/package-lock.json", "{}")
	b.write("or3-chat/nuxt.config.ts", "")
	b.write("or3-chat/package.json", "{}")
	b.write("bin/npm", `#!/bin/sh
echo "npm $*" >> "$TOLD"
case $1 in pack) : > "$6/$4-0.1.0.tgz" ;; esac
`)
	b.write("bin/bun", "#!/bin/sh\necho \"bun in $(basename \"$PWD\"): $*\" >> \"$TOLD\"\n")
	b.write("bin/npx", `#!/bin/sh
echo "npx $* with $AUTH_PROVIDER $OR3_SYNC_PROVIDER $NUXT_PUBLIC_STORAGE_PROVIDER, HTTPS $OR3_FORCE_HTTPS, accounts $SSR_AUTH_ENABLED, client $OR3_CLOUD_CLIENT" >> "$TOLD"
mkdir -p .output/public/_nuxt
echo 'fetch("/api/basic-auth/sign-in")' > .output/public/_nuxt/entry.js
[ -z "$PAGE" ] || echo "$PAGE" > .output/public/200.html
`)
	return b
}

// run runs the script beside the repository and the checkout; it returns the script's output and exit code.
func (b clientBuild) run(env string, args ...string) (string, int) {
	b.t.Helper()
	cmd := exec.Command("bash", append([]string{b.path("or3-cloud/scripts/client")}, args...)...)
	cmd.Dir = b.root
	cmd.Env = append(os.Environ(), "PATH="+b.path("bin")+string(os.PathListSeparator)+os.Getenv("PATH"), "TOLD="+b.path("told"), "PAGE="+b.page)
	if env != "" {
		cmd.Env = append(cmd.Env, env)
	}
	out, err := cmd.CombinedOutput()
	if _, ended := err.(*exec.ExitError); err != nil && !ended {
		b.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func (b clientBuild) told() string {
	text, _ := os.ReadFile(b.path("told")) // without the file, no tool was called
	return string(text)
}

const clientPage = `<!DOCTYPE html><html><head><script type="module" src="/_nuxt/entry.js"></script></head><body><div id="__nuxt"></div>` +
	`<script>window.__NUXT__={};window.__NUXT__.config={public:{ssrAuthEnabled:true,authProvider:"basic-auth"},` +
	`app:{baseURL:"/",buildId:"b",buildAssetsDir:"/_nuxt/",cdnURL:""}}</script></body></html>`

// TestClientIsBuilt builds a client as docs/operations.md describes. The sources of OR3 Chat are not here, so the tools
// for them are stand-ins.
//
//walk:follows operations.md scripts/client ../or3-chat /srv/or3-chat
//walk:follows operations.md or3-cloud serve --web /srv/or3-chat
//walk:follows operations.md scripts/client ../or3-chat /srv/or3-chat or3-workflow-core@0.1.2 or3-workflow-vue@0.1.4
func TestClientIsBuilt(t *testing.T) {
	t.Parallel()
	b := newClientBuild(t, clientPage)
	out, code := b.run("", "or3-chat", "srv/or3-chat", "or3-workflow-core@0.1.2")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	folder := b.path("srv/or3-chat")
	if !strings.Contains(out, "or3-cloud serve --web "+folder+"\n") {
		t.Errorf("it does not tell how to serve the client:\n%s", out)
	}
	for _, name := range []string{"200.html", "_nuxt/entry.js"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
	packages := b.path("or3-cloud/.cache/packages/or3-")
	for _, want := range []string{
		"npm run --silent build --workspace or3-cloud-engine\n",
		"npm run --silent build --workspace or3-provider-sqlite\n",
		"npm pkg set overrides.or3-cloud-engine=file:" + packages + "cloud-engine-0.1.0.tgz\n",
		"bun in or3-chat: add --ignore-scripts " + packages + "cloud-engine-0.1.0.tgz " + packages + "provider-basic-auth-0.1.0.tgz " + packages +
			"provider-fs-0.1.0.tgz " + packages + "provider-sqlite-0.1.0.tgz or3-workflow-core@0.1.2\n",
		"npx nuxt build with basic-auth sqlite fs, HTTPS false, accounts true, client true\n",
	} {
		if told := b.told(); !strings.Contains(told, want) {
			t.Errorf("the tools were not told %q, but:\n%s", want, told)
		}
	}

	srv := startServer(t, withArgs("--web", folder))
	if r := newDevice(t, srv, "browser").do("GET", "/chat", nil, navigate); r.status != 200 || !strings.Contains(string(r.body), "/_nuxt/entry.js") {
		t.Errorf("the server does not serve what was built: %s", r)
	}

	if out, code := b.run("STATIC=1", "or3-chat", "static"); code != 0 || !strings.Contains(b.told(), "npx nuxt generate with") {
		t.Errorf("a static client: exit code %d, the tools were told:\n%s\n%s", code, b.told(), out)
	}
}

// TestClientIsNotBuilt: what cannot become a client is refused before anything is done, or before it becomes a folder.
func TestClientIsNotBuilt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, page string
		args       []string
		want       string
		built      bool
	}{
		{name: "nothing is named", want: "scripts/client ../or3-chat ./client"},
		{name: "no checkout", args: []string{"bin", "client"}, want: "bin is not a checkout of OR3 Chat"},
		{name: "the folder exists", args: []string{"or3-chat", "bin"}, want: "bin exists"},
		{name: "no page", args: []string{"or3-chat", "client"}, want: "made no .output/public/200.html", built: true},
		{name: "a page that only redirects", page: `<meta http-equiv="refresh" content="0; url=https://localhost/200.html">`, args: []string{"or3-chat", "client"},
			want: "is not the client's page; its first line is: <meta http-equiv", built: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newClientBuild(t, test.page)
			out, code := b.run("", test.args...)
			if code != 1 || !strings.Contains(out, test.want) {
				t.Errorf("exit code %d and output, want 1 and %q:\n%s", code, test.want, out)
			}
			if told := b.told(); strings.Contains(told, "nuxt build") != test.built {
				t.Errorf("the tools were told:\n%s", told)
			}
			if _, err := os.Stat(b.path("client")); err == nil {
				t.Error("a folder is left")
			}
		})
	}
}
