package passwd

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// params are the cost parameters of Argon2id.
type params struct {
	memoryKiB uint32
	passes    uint32
	threads   uint8
}

// Limits, so that a stored text cannot ask for gigabytes or minutes.
const (
	maxMemoryKiB = 64 * 1024
	maxPasses    = 10
	maxThreads   = 4
	minSalt      = 8
	minKey       = 16
	maxField     = 64
)

// phc is an Argon2id hash in the PHC string format: $argon2id$v=19$m=…,t=…,p=…$salt$key.
type phc struct {
	params
	salt, key []byte
}

var b64 = base64.RawStdEncoding.Strict()

// String returns the only spelling of a hash that parsePHC accepts.
func (p phc) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.memoryKiB, p.passes, p.threads, b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parsePHC parses a hash. It refuses everything that String would not have written, and every parameter beyond its
// limit.
func parsePHC(s string) (phc, error) {
	part := strings.Split(s, "$")
	if len(part) != 6 || part[0] != "" || part[1] != "argon2id" || part[2] != "v="+strconv.Itoa(argon2.Version) {
		return phc{}, ErrMalformed
	}
	cost := strings.Split(part[3], ",")
	if len(cost) != 3 {
		return phc{}, ErrMalformed
	}
	m, okM := costParam(cost[0], "m=", maxMemoryKiB)
	t, okT := costParam(cost[1], "t=", maxPasses)
	p, okP := costParam(cost[2], "p=", maxThreads)
	salt, okSalt := field(part[4], minSalt)
	key, okKey := field(part[5], minKey)
	if !okM || !okT || !okP || !okSalt || !okKey || m < 8*p {
		return phc{}, ErrMalformed
	}
	return phc{params{m, t, uint8(p)}, salt, key}, nil
}

// costParam parses a number between 1 and limit, without sign and leading zeros.
func costParam(s, name string, limit uint64) (uint32, bool) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n <= limit
}

func field(s string, least int) ([]byte, bool) {
	if len(s) > b64.EncodedLen(maxField) || strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	v, err := b64.DecodeString(s)
	return v, err == nil && len(v) >= least
}
