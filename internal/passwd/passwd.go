// Package passwd hashes and verifies passwords: Argon2id hashes in PHC form, verification of the bcrypt hashes of
// earlier installations, and a bounded queue in front of both, so that a flood of sign-ins exhausts neither memory nor
// processors.
package passwd

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/text/unicode/norm"
)

// current are the parameters of new hashes: OWASP's minimum for Argon2id, which needs 19 MiB for each hash.
var current = params{memoryKiB: 19 * 1024, passes: 2, threads: 1}

const (
	saltBytes = 16
	keyBytes  = 32
	// bcryptBytes is how many bytes of a password bcrypt uses (contract, auth §8.4).
	bcryptBytes = 72
	// maxBcryptCost limits the cost of a stored hash. Each step doubles the time.
	maxBcryptCost = 14
	// retryAfter is when a caller should retry if the queue is full. A full queue drains in about that time.
	retryAfter = 2 * time.Second
)

// ErrMalformed is returned for a stored hash that is neither a well-formed Argon2id hash within the caps nor a
// bcrypt hash.
var ErrMalformed = errors.New("passwd: malformed password hash")

// Hasher creates and verifies password hashes, a few at a time. It is safe for concurrent use.
type Hasher struct {
	rand io.Reader
	line *line
	// legacy is the highest bcrypt cost of any stored hash, or 0.
	legacy atomic.Int32
	// resting means that free is scheduled, which returns memory to the system.
	resting atomic.Bool
	free    func()
}

// New returns a Hasher that works on at most slots passwords at once, with at most waiting callers in the queue. It
// reads salts from rand, which must be safe for concurrent use.
func New(rand io.Reader, slots, waiting int) *Hasher {
	return &Hasher{rand: rand, line: newLine(slots, waiting), free: debug.FreeOSMemory}
}

// Hash returns a new hash of a password. All bytes of the password count. It returns CodeUnavailable if the queue is
// full, and the context's error if that ends first.
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

// HashBcrypt is Hash for hashes that other hosts have to verify, too, which know only bcrypt. Only the first 72 bytes
// of the password count.
func (h *Hasher) HashBcrypt(ctx context.Context, password string, cost int) (string, error) {
	var out []byte
	var failed error
	err := h.queued(ctx, func() { out, failed = bcrypt.GenerateFromPassword(bcryptInput(password), cost) })
	return string(out), cmp.Or(err, failed)
}

// Verify reports whether password matches encoded. It returns the errors of Hash, and ErrMalformed.
//
// A wrong password takes as long for every account: see level. All hashes made by Hash have the same parameters.
func (h *Hasher) Verify(ctx context.Context, encoded, password string) (ok bool, err error) {
	if isBcrypt(encoded) {
		cost, err := bcrypt.Cost([]byte(encoded))
		if err != nil || cost > maxBcryptCost {
			return false, ErrMalformed
		}
		err = h.queued(ctx, func() {
			if ok = bcrypt.CompareHashAndPassword([]byte(encoded), bcryptInput(password)) == nil; !ok {
				current.derive(password, make([]byte, saltBytes), keyBytes)
				h.level(password, cost)
			}
		})
		return ok, err
	}
	p, err := parsePHC(encoded)
	if err != nil {
		return false, err
	}
	err = h.queued(ctx, func() {
		if ok = subtle.ConstantTimeCompare(p.key, p.derive(normal(password), p.salt, len(p.key))) == 1; !ok {
			h.level(password, 0)
		}
	})
	return ok, err
}

// VerifyUnknown takes as long as Verify does for a wrong password. Callers use it for unknown accounts, so that the
// time does not reveal which accounts exist.
func (h *Hasher) VerifyUnknown(ctx context.Context, password string) error {
	return h.queued(ctx, func() {
		current.derive(normal(password), make([]byte, saltBytes), keyBytes)
		h.level(password, 0)
	})
}

// SetLegacyCost sets the highest cost of the bcrypt hashes that are still stored, or 0 if there are none.
func (h *Hasher) SetLegacyCost(cost int) { h.legacy.Store(int32(min(cost, maxBcryptCost))) }

// level does the work that a wrong password has not cost yet, where bcrypt was used up to a cost, or not at all if that
// is 0. A bcrypt hash of an earlier installation takes ten times as long as one of ours, until its owner signs in. So
// while there are any, every failure does the work of both. It works instead of sleeping, because work takes longer
// under load and sleep does not.
func (h *Hasher) level(password string, cost int) {
	top := int(h.legacy.Load())
	if cost == 0 && top > 0 {
		burn(password, top)
		return
	}
	// Each step doubles the work, so all steps below one add up to as much work as that one.
	for ; cost < top; cost++ {
		burn(password, cost)
	}
}

// burn does one comparison with an arbitrary bcrypt hash.
func burn(password string, cost int) {
	hash := fmt.Sprintf("$2b$%02d$%s", max(cost, bcrypt.MinCost), strings.Repeat(".", 53))
	_ = bcrypt.CompareHashAndPassword([]byte(hash), bcryptInput(password))
}

// NeedsRehash reports whether a stored hash is weaker than those of Hash, or of another kind.
func NeedsRehash(encoded string) bool {
	p, err := parsePHC(encoded)
	return err != nil || p.params != current || len(p.salt) < saltBytes || len(p.key) < keyBytes
}

// queued runs work in a slot.
func (h *Hasher) queued(ctx context.Context, work func()) error {
	leave, err := h.line.enter(ctx)
	if err != nil {
		return err
	}
	defer h.rest()
	defer leave()
	work()
	return nil
}

// calm is how long the hasher must be idle before it returns its memory.
const calm = 2 * time.Second

// rest returns the memory of hashes to the system shortly after the last of them. On an idle server, the runtime would
// otherwise hold many times the memory of everything else until its next collection, which may be minutes away.
func (h *Hasher) rest() {
	if !h.resting.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(calm, func() {
		h.resting.Store(false)
		if len(h.line.slots) > 0 {
			return // the current work will rest later
		}
		h.free()
	})
}

// normal returns the form in which passwords are hashed with Argon2id, because keyboards may spell the same character
// differently. Hashes of earlier installations use the text as typed.
func normal(password string) string { return norm.NFC.String(password) }

func isBcrypt(encoded string) bool {
	return strings.HasPrefix(encoded, "$2a$") || strings.HasPrefix(encoded, "$2b$") || strings.HasPrefix(encoded, "$2y$")
}

// bcryptInput cuts a password to the bytes that count for bcrypt. Earlier installations accepted longer ones.
func bcryptInput(password string) []byte {
	return []byte(password[:min(len(password), bcryptBytes)])
}

func (p params) derive(password string, salt []byte, n int) []byte {
	return argon2.IDKey([]byte(password), salt, p.passes, p.memoryKiB, p.threads, uint32(n))
}
