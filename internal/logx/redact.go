package logx

import (
	"regexp"
	"strings"
)

// shape is a pattern that recognizes a secret, and the replacement.
type shape struct {
	pattern *regexp.Regexp
	replace string
}

// sensitive are the names of parameters, cookies, headers and JSON members whose values are secrets.
const sensitive = `or3_(?:access|refresh|admin)|[a-z_-]*(?:token|secret|password|passwd|passphrase|apikey|api_key|signature)|setup|invite|sig|x-amz-(?:signature|credential|security-token)`

// shapes are applied in order. Long and unambiguous patterns come first, so that what they leave cannot be half of a
// secret.
var shapes = []shape{
	// Header lines: everything after the name.
	{regexp.MustCompile(`(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(["']?\s*:\s*)[^\r\n]+`), "$1$2[redacted]"},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 [redacted]"},
	// JSON Web Tokens, even if a part is cut off.
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)*`), "[token]"},
	// Keys of model servers, in the format of OpenAI and its imitators.
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

// email matches an address, even if percent-encoded as in a query. Everything before the last @ belongs to it: in
// x@ann.lee@example.org, the first two names could be an address just as well as the last two.
var email = regexp.MustCompile(`([A-Za-z0-9._%+'@-]+)(@|%40)((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})`)

// Redact replaces everything in text that looks like a secret. E-mail addresses keep their first character and domain.
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
