package or3cloud

import (
	"encoding/hex"
	"strings"
)

// BlobHash is a content hash in canonical form: "sha256:" or "md5:" followed by lower-case hex (contract, storage
// §7.3).
type BlobHash string

// ParseBlobHash accepts "sha256:<64 hex>", "md5:<32 hex>" and the bare 64 or 32 digits, in either case, and returns the
// canonical form. ok is false for anything else, so a valid BlobHash never contains a path separator.
func ParseBlobHash(s string) (h BlobHash, ok bool) {
	alg, digest, found := strings.Cut(s, ":")
	if !found {
		digest = s
		switch len(s) {
		case 64:
			alg = "sha256"
		case 32:
			alg = "md5"
		}
	}
	alg, digest = strings.ToLower(alg), strings.ToLower(digest)
	want := map[string]int{"sha256": 64, "md5": 32}[alg]
	if want == 0 || len(digest) != want {
		return "", false
	}
	if _, err := hex.DecodeString(digest); err != nil {
		return "", false
	}
	return BlobHash(alg + ":" + digest), true
}

// Algorithm returns "sha256" or "md5".
func (h BlobHash) Algorithm() string { alg, _, _ := strings.Cut(string(h), ":"); return alg }

// Digest returns the lower-case hex digits. References are compared by digest, without the prefix.
func (h BlobHash) Digest() string { _, d, _ := strings.Cut(string(h), ":"); return d }
