package sessions

import (
	"crypto/sha256"
	"hash"
	"sync"
)

// maxVerified limits the memory of signatures; beyond it they are verified again.
const maxVerified = 10_000

// verified remembers the claims of access tokens whose signature and form were found to be right, since each request of
// a browser shows the same token for a quarter of an hour and an event stream looks at it every second. What depends on
// the time and on revocation is not remembered. Tokens are kept as digests, so that memory holds no credentials.
type verified struct {
	mu     sync.RWMutex
	claims map[[sha256.Size]byte]*accessClaims
}

// get returns the claims of a token, or nil. They must not be changed.
func (v *verified) get(digest [sha256.Size]byte) *accessClaims {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.claims[digest]
}

// digester makes digests of tokens.
type digester struct {
	hash hash.Hash
	text []byte
}

// digesters are those that are not in use. They keep no token.
var digesters = sync.Pool{New: func() any { return &digester{hash: sha256.New()} }}

// digestOf returns the digest of a token without allocating memory.
func digestOf(token string) (digest [sha256.Size]byte) {
	d := digesters.Get().(*digester)
	d.text = append(d.text[:0], token...)
	d.hash.Reset()
	d.hash.Write(d.text)
	clear(d.text)
	d.text = d.hash.Sum(d.text[:0])
	copy(digest[:], d.text)
	d.hash.Reset()
	digesters.Put(d)
	return digest
}

func (v *verified) put(digest [sha256.Size]byte, c *accessClaims) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.claims == nil || len(v.claims) >= maxVerified {
		v.claims = map[[sha256.Size]byte]*accessClaims{}
	}
	v.claims[digest] = c
}
