package fs

import (
	"mime"
	"strings"

	or3cloud "or3.chat/cloud"
)

// essence is a media type without parameters, in lower case.
func essence(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// inert has the types that a browser may show inline: none of them runs script (contract, storage §7.5).
var inert = [...]string{"image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf"}

// servedAs decides how a blob of a claimed type is served: inert types as themselves, everything else as bytes to save.
// The newest client accepts either (contract, storage §11).
func servedAs(claimed string, wanted or3cloud.Disposition) (string, or3cloud.Disposition) {
	t := essence(claimed)
	for _, ok := range inert {
		if t == ok {
			if wanted != or3cloud.DispositionAttachment {
				wanted = or3cloud.DispositionInline
			}
			return t, wanted
		}
	}
	return neutral, or3cloud.DispositionAttachment
}

// neutral is the type of bytes that nothing is known about.
const neutral = "application/octet-stream"

// maxFilename is the longest file name offered, in characters (contract, storage §3).
const maxFilename = 180

// safeFilename removes what could mislead a browser, a shell or a person: control and direction characters, and
// slashes.
func safeFilename(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r < 0x20, r >= 0x7f && r < 0xa0, r == '/', r == '\\', r == '\uFFFD':
			return -1
		case r >= 0x200e && r <= 0x200f, r >= 0x2028 && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, name)
	name = strings.Trim(name, " .")
	if runes := []rune(name); len(runes) > maxFilename {
		name = string(runes[:maxFilename])
	}
	return name
}

// contentDisposition writes the header with the name in both forms of RFC 6266: plain ASCII for old agents, UTF-8 for
// the others.
func contentDisposition(d or3cloud.Disposition, filename string) string {
	if filename = safeFilename(filename); filename == "" {
		return string(d)
	}
	ascii := strings.Map(func(r rune) rune {
		if r > 0x7e || strings.ContainsRune(`"%;`, r) {
			return '_'
		}
		return r
	}, filename)
	plain := mime.FormatMediaType(string(d), map[string]string{"filename": ascii})
	return plain + "; filename*=UTF-8''" + extValue(filename)
}

// extValue percent-encodes all but the attribute characters of RFC 8187.
func extValue(s string) string {
	const plain = "!#$&+-.^_`|~"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte(plain, c) >= 0 {
			b.WriteByte(c)
		} else {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}
