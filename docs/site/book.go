package site

import "strings"

// book is which documents the site has, in the order of its menu. The first is its front page.
var book = []part{
	{"Start", []string{"quick-start.md", "install.md"}},
	{"Operate", []string{"operations.md", "configuration.md", "troubleshooting.md", "accounts.md", "administration.md", "monitoring.md", "security.md"}},
	{"Providers", []string{"combinations.md", "basic-auth.md", "sqlite.md", "fs.md", "moving-in.md"}},
	{"Inside OR3 Chat's own server", []string{"nuxt-host.md"}},
	{"Build on it", []string{"providers.md", "endpoints.md", "accounts-api.md", "engine.md"}},
	{"The wire contract", []string{
		"contract/README.md",
		"contract/sync.md",
		"contract/client-behaviour.md",
		"contract/auth.md",
		"contract/storage.md",
		"contract/workspaces-and-admin.md",
		"contract/security-middleware.md",
		"contract/env.md",
		"contract/host-integration.md",
	}},
	{"How it is made", []string{"architecture.md", "glossary.md", "asvs.md"}},
	{"Inside the code", []string{
		"internals/requests.md",
		"internals/sync.md",
		"internals/files.md",
		"internals/accounts.md",
		"internals/answers.md",
		"internals/operator.md",
		"internals/process.md",
		"internals/web.md",
		"internals/client.md",
		"internals/testing.md",
	}},
}

// part is a heading of the menu and the documents below it.
type part struct {
	Title     string
	documents []string
}

// fileOf returns the name of a document's page. All pages are in one folder.
func fileOf(document string) string {
	if document == book[0].documents[0] {
		return "index.html"
	}
	name := strings.TrimSuffix(strings.TrimSuffix(document, ".md"), "/README")
	return strings.ReplaceAll(name, "/", "-") + ".html"
}
