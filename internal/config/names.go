package config

import (
	"iter"
	"slices"
	"strings"
)

// chatNames are further names that OR3 Chat or its tooling reads from the same .env file (contract, env). This program
// does not use them, but they are not mistakes, however much they resemble a name that it reads.
var chatNames = []string{
	"OR3_ADMIN_DATA_DIR", "OR3_ADMIN_DELETED_WORKSPACE_RETENTION_DAYS",
	"OR3_BASIC_AUTH_ALLOW_INSECURE_DEV", "OR3_BASIC_AUTH_RATE_LIMIT_BACKEND", "OR3_CLOUD_BIN", "OR3_CLOUD_URL",
	"OR3_CLOUD_WIZARD_HOME", "OR3_COMPOSE_PROJECT", "OR3_CONVEX_ALLOW_INSECURE_HTTP",
	"OR3_DISABLED_THEMES", "OR3_DISABLE_NON_CORE_PLUGINS",
	"OR3_EXTENSIONS_ROOT",
	"OR3_HOOK_ENGINE_V2_ENABLED", "OR3_IMAGE", "OR3_LOCAL_PROVIDERS",
	"OR3_PORT", "OR3_PUBLIC_DOMAIN",
	"OR3_SQLITE_D1_BINDING", "OR3_SQLITE_DRIVER", "OR3_SQLITE_TURSO_AUTH_TOKEN", "OR3_SQLITE_TURSO_URL",
	"OR3_STORAGE_S3_ALLOW_INSECURE_HTTP", "OR3_STORAGE_S3_ENDPOINT", "OR3_STORAGE_S3_FORCE_PATH_STYLE",
	"OR3_STORAGE_S3_KEY_PREFIX", "OR3_STORAGE_S3_REGION", "OR3_STORAGE_S3_REQUIRE_CHECKSUM",
	"OR3_STORAGE_S3_SESSION_TOKEN", "OR3_STORAGE_S3_URL_TTL_SECONDS", "OR3_VERSION",
	"OR3_VOLUME_NAME", "OR3_WORKSPACE_TABS_ENABLED",
}

// chatPrefixes are the prefixes of further such names, which newer versions may add.
var chatPrefixes = []string{
	"OR3_AUTH_INVITE_", "OR3_BACKGROUND_", "OR3_BACKUP_", "OR3_CLOUD_WIZARD_",
	"OR3_CONNECT_", "OR3_CONVEX_", "OR3_DASHBOARD_", "OR3_DOCUMENTS_", "OR3_MENTIONS_",
	"OR3_PLUGIN_", "OR3_SMTP_", "OR3_WEBHOOKS_", "OR3_WIZARD_", "OR3_WORKFLOWS_",
	"OR3_BASIC_AUTH_", "OR3_SQLITE_", "OR3_STORAGE_FS_", "OR3_STORAGE_S3_",
}

// sharedPrefixes are prefixes of names of which this program reads some and OR3 Chat others.
var sharedPrefixes = []string{"OR3_ADMIN_", "OR3_AUTH_LOCK_PAGE_", "OR3_DEFAULT_", "OR3_OPENROUTER_", "OR3_SITE_"}

// unknownName reports whether name has our prefix but nothing reads it, and returns the name that was most likely
// meant, if any.
func (c Catalogue) unknownName(name string) (near string, unknown bool) {
	ours := strings.HasPrefix(strings.ToUpper(name), "OR3")
	if !ours || c.knows(name) || slices.Contains(chatNames, name) || isChatSetting(name) {
		return "", false
	}
	// Upper case only for the distance: nothing reads or3_addr, whatever it was meant to be.
	if near := c.nearest(strings.ToUpper(name)); near != "" {
		return near, true
	}
	return "", strings.HasPrefix(name, "OR3_") && !c.leavesToChat(name)
}

// leavesToChat reports whether a name may belong to OR3 Chat and be newer than chatNames. A provider that is compiled
// in declares all of its names.
func (c Catalogue) leavesToChat(name string) bool {
	if slices.ContainsFunc(sharedPrefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
		return true
	}
	return slices.ContainsFunc(chatPrefixes, func(prefix string) bool {
		if !strings.HasPrefix(name, prefix) {
			return false
		}
		for known := range c.names {
			if strings.HasPrefix(known, prefix) {
				return false
			}
		}
		return true
	})
}

// maxForeignTypos is the largest edit distance at which a name without our prefix counts as a misspelling.
const maxForeignTypos = 2

// misspelt returns the known name without our prefix, such as NODE_ENV, that name most likely stands for, or "". Other
// programs have names as well, so both must begin the same way.
func (c Catalogue) misspelt(name string) string {
	if strings.HasPrefix(name, "OR3") || c.knows(name) {
		return ""
	}
	return nearest(name, func(yield func(string) bool) {
		for known := range c.names {
			if !strings.HasPrefix(known, "OR3_") && strings.Contains(known, "_") && name != "" && known[0] == name[0] && !yield(known) {
				return
			}
		}
	}, maxForeignTypos)
}

// names calls yield for every name that is read, including aliases and _FILE forms.
func (c Catalogue) names(yield func(string) bool) {
	for _, g := range c {
		for _, s := range g.Settings {
			if !yield(s.Name) || s.Secret && !yield(s.Name+"_FILE") || s.Alias != "" && !yield(s.Alias) {
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

// maxTypos returns the largest edit distance at which a known name is suggested: three, and less for short names.
func maxTypos(name string) int { return min(3, len(strings.TrimPrefix(name, "OR3_"))/3) }

func (c Catalogue) nearest(name string) string { return nearest(name, c.names, maxTypos(name)) }

// Nearest returns the known word that was most likely meant by typed, or "" if none is close.
func Nearest(typed string, known []string) string {
	return nearest(typed, slices.Values(known), min(2, len(typed)/2))
}

func nearest(name string, known iter.Seq[string], typos int) string {
	best, bestDistance := "", typos+1
	for word := range known {
		if d := editDistance(name, word); d < bestDistance {
			best, bestDistance = word, d
		}
	}
	return best
}

// editDistance returns the number of bytes to insert, delete or replace between a and b (Levenshtein).
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
