package config

import (
	"fmt"
	"strings"
)

// chatNames are the beginnings of names that OR3 Chat or other parts of its tooling read from the same .env file. They are no
// mistakes, although this program has no use for them.
var chatNames = []string{
	"OR3_ADMIN_", "OR3_AUTH_INVITE_", "OR3_AUTH_LOCK_PAGE_", "OR3_BACKGROUND_", "OR3_BACKUP_", "OR3_CLOUD_WIZARD_", "OR3_CONNECT_",
	"OR3_CONVEX_", "OR3_DASHBOARD_", "OR3_DEFAULT_", "OR3_DISABLED_THEMES", "OR3_DOCUMENTS_", "OR3_EXTENSIONS_ROOT", "OR3_FAVICON_URL",
	"OR3_GUEST_ACCESS_ENABLED", "OR3_IMAGE", "OR3_LIMITS_STORAGE_PROVIDER", "OR3_LOCAL_STORAGE_QUOTA_MB", "OR3_LOGO_URL", "OR3_MAX_CONVERSATIONS",
	"OR3_MAX_FILE_SIZE_BYTES", "OR3_MAX_FILES_PER_MESSAGE", "OR3_MAX_MESSAGES_PER_DAY", "OR3_MAX_PANES", "OR3_MENTIONS_", "OR3_OPENROUTER_",
	"OR3_PLUGIN_", "OR3_PRIVACY_URL", "OR3_REQUESTS_PER_MINUTE", "OR3_SIDEBAR_COLLAPSED", "OR3_SITE_", "OR3_SMTP_",
	"OR3_TERMS_URL", "OR3_VERSION", "OR3_WEBHOOKS_", "OR3_WIZARD_", "OR3_WORKFLOWS_", "OR3_WORKSPACE_TABS_ENABLED",
	"OR3_BASIC_AUTH_", "OR3_SQLITE_", "OR3_STORAGE_FS_", "OR3_STORAGE_S3_",
}

// unknownName returns a warning for a name of ours that nothing reads, or "".
func (c Catalogue) unknownName(name string) string {
	if !strings.HasPrefix(name, "OR3_") || c.knows(name) {
		return ""
	}
	if near := c.nearest(name); near != "" {
		return fmt.Sprintf("%s is unknown and ignored; did you mean %s?", name, near)
	}
	for _, prefix := range chatNames {
		if strings.HasPrefix(name, prefix) {
			return ""
		}
	}
	return name + " is unknown and ignored"
}

// names calls yield for every name that is read, aliases and _FILE forms included.
func (c Catalogue) names(yield func(string) bool) {
	for _, g := range c {
		for _, s := range g.Settings {
			if !yield(s.Name) || s.Secret && !yield(s.Name+"_FILE") {
				return
			}
			if alias, ok := aliases[s.Name]; ok && !yield(alias) {
				return
			}
		}
	}
}

func (c Catalogue) knows(name string) bool {
	for known := range c.names {
		if known == name {
			return true
		}
	}
	return false
}

// maxTypos is the largest edit distance at which a known name is offered.
const maxTypos = 3

func (c Catalogue) nearest(name string) string {
	best, bestDistance := "", maxTypos+1
	for known := range c.names {
		if d := editDistance(name, known); d < bestDistance {
			best, bestDistance = known, d
		}
	}
	return best
}

// editDistance is the number of inserted, deleted or replaced bytes between a and b (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
