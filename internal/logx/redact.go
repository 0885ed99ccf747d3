package logx

import (
	"regexp"
	"strings"
)

// shape is a form in which a secret is recognised, and what is written instead.
type shape struct {
	pattern *regexp.Regexp
	replace string
}

// sensitive are the names of parameters, cookies, headers and JSON members whose values are secrets.
const sensitive = `or3_(?:access|refresh|admin)|[a-z_-]*(?:token|secret|password|passwd|passphrase|apikey|api_key|signature)|setup|invite|sig|x-amz-(?:signature|credential|security-token)`

// shapes are applied in order. Long and certain forms come first, so that what they leave cannot be half of a secret.
var shapes = []shape{
	// Header lines: everything after the name.
	{regexp.MustCompile(`(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(["']?\s*:\s*)[^\r\n]+`), "$1$2[redacted]"},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 [redacted]"},
	// JSON Web Tokens, also with a part cut off.
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*`), "[token]"},
	// Keys of servers of models, as OpenAI and those after it write them.
	{regexp.MustCompile(`\bsk-[A-Za-z0-9_-]{8,}`), "[key]"},
	// Password hashes: argon2 and bcrypt.
	{regexp.MustCompile(`\$argon2[a-z]*\$[^\s"']*`), "[hash]"},
	{regexp.MustCompile(`\$2[abxy]?\$\d\d\$[./A-Za-z0-9]+`), "[hash]"},
	// name=value in URLs, forms and cookies, and "name":"value" in JSON, with or without backslashes.
	{regexp.MustCompile(`(?i)\b(` + sensitive + `)(=|%3D)[^\s&;,"'#<>]+`), "$1$2[redacted]"},
	{regexp.MustCompile(`(?i)\b(` + sensitive + `)(\\?["']\s*:\s*\\?["'])(?:[^"'\\]|\\[^"'])*`), "$1$2[redacted]"},
	// Credentials in URLs.
	{regexp.MustCompile(`(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@"']+@`), "$1[redacted]@"},
}

// email is an address, also percent-encoded as in a query. What stands before the last @ is one: of x@ann.lee@example.org
// the first two names could be an address as well as the last two.
var email = regexp.MustCompile(`([A-Za-z0-9._%+'@-]+)(@|%40)((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})`)

// Redact replaces everything in text that looks like a secret. Of e-mail addresses the first character and the domain stay.
func Redact(text string) string {
	for _, s := range shapes {
		text = s.pattern.ReplaceAllString(text, s.replace)
	}
	if !strings.ContainsAny(text, "@%") {
		return text
	}
	return email.ReplaceAllStringFunc(text, func(address string) string {
		m := email.FindStringSubmatch(address)
		return m[1][:1] + "…" + m[2] + m[3]
	})
}
