// Package passwd keeps passwords: Argon2id hashes in PHC form, verification of the bcrypt hashes of earlier
// installations, and a bounded queue in front of both, so that a flood of sign-ins can exhaust neither memory nor
// the processors.
package passwd

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"

	or3cloud "or3.chat/cloud"
)

// current are the parameters of new hashes: OWASP's minimum for Argon2id, which needs 19 MiB for each hash.
var current = params{memoryKiB: 19 * 1024, passes: 2, threads: 1}

const (
	saltBytes = 16
	keyBytes  = 32
	// bcryptBytes is how much of a password bcrypt looks at (contract, auth §8.4).
	bcryptBytes = 72
	// maxBcryptCost caps what a stored hash may ask for; each step doubles the time.
	maxBcryptCost = 14
	// retryAfter is what a caller is told when the queue is full. A full queue drains in about that time.
	retryAfter = 2 * time.Second
)

// ErrMalformed is returned for a stored hash that is neither a well-formed Argon2id hash within the caps nor a
// bcrypt hash.
var ErrMalformed = errors.New("passwd: malformed password hash")

// Hasher makes and verifies password hashes, a few at a time. It is safe for concurrent use.
type Hasher struct {
	rand    io.Reader
	slots   chan struct{}
	line    atomic.Int64
	maxLine int64
}

// New returns a Hasher that works on at most slots passwords at once and lets at most waiting callers stand in line
// for a slot. Salts are read from rand, which must be safe for concurrent use.
func New(rand io.Reader, slots, waiting int) *Hasher {
	return &Hasher{rand: rand, slots: make(chan struct{}, slots), maxLine: int64(waiting)}
}

// Hash returns a new hash of a password. All bytes of the password count. It answers CodeUnavailable when the line
// is full, and the context's error when that ends first.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	if _, err := io.ReadFull(h.rand, salt); err != nil {
		return "", fmt.Errorf("passwd: salt: %w", err)
	}
	var out string
	err := h.queued(ctx, func() {
		out = phc{params: current, salt: salt, key: current.derive(normal(password), salt, keyBytes)}.String()
	})
	return out, err
}

// Verify reports whether password belongs to encoded. Errors are those of Hash and ErrMalformed.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok bool, err error) {
	if isBcrypt(encoded) {
		cost, err := bcrypt.Cost([]byte(encoded))
		if err != nil || cost > maxBcryptCost {
			return false, ErrMalformed
		}
		err = h.queued(ctx, func() {
			ok = bcrypt.CompareHashAndPassword([]byte(encoded), bcryptInput(password)) == nil
		})
		return ok, err
	}
	p, err := parsePHC(encoded)
	if err != nil {
		return false, err
	}
	err = h.queued(ctx, func() {
		ok = subtle.ConstantTimeCompare(p.key, p.derive(normal(password), p.salt, len(p.key))) == 1
	})
	return ok, err
}

// VerifyNobody takes as long as Verify does for a current hash. Callers use it for unknown accounts, so that time
// does not tell which accounts exist.
func (h *Hasher) VerifyNobody(ctx context.Context, password string) error {
	return h.queued(ctx, func() { current.derive(password, make([]byte, saltBytes), keyBytes) })
}

// NeedsRehash reports whether a stored hash is weaker than, or of another kind than, those that Hash makes.
func NeedsRehash(encoded string) bool {
	p, err := parsePHC(encoded)
	return err != nil || p.params != current || len(p.salt) < saltBytes || len(p.key) < keyBytes
}

// queued runs work in a slot. The line is bounded because each waiting caller holds a connection and its memory.
func (h *Hasher) queued(ctx context.Context, work func()) error {
	select {
	case h.slots <- struct{}{}:
	default:
		if h.line.Add(1) > h.maxLine {
			h.line.Add(-1)
			return or3cloud.Unavailable(nil, "Too many sign-ins at the moment", retryAfter)
		}
		defer h.line.Add(-1)
		select {
		case h.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-h.slots }()
	work()
	return nil
}

// normal is the form in which passwords are hashed with Argon2id: keyboards differ in how they spell one character. Hashes
// of earlier installations are of the text as it was typed.
func normal(password string) string { return norm.NFC.String(password) }

func isBcrypt(encoded string) bool {
	return strings.HasPrefix(encoded, "$2a$") || strings.HasPrefix(encoded, "$2b$") || strings.HasPrefix(encoded, "$2y$")
}

// bcryptInput cuts a password to the bytes that count for bcrypt: earlier installations accepted longer ones.
func bcryptInput(password string) []byte {
	return []byte(password[:min(len(password), bcryptBytes)])
}

func (p params) derive(password string, salt []byte, n int) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memoryKiB, p.threads, uint32(n))
}
