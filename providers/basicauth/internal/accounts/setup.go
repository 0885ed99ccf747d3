package accounts

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"sync"

	"or3.chat/cloud/providers/basicauth/internal/store"
)

// setupBytes is the number of random bytes in the token of a setup link.
const setupBytes = 32

// SetupToken is the secret of the link that creates the first account. Only its hash is kept.
type SetupToken struct {
	mu  sync.Mutex
	sum []byte // nil if there is none
}

// SetupFragment implements or3cloud.Instance.Setup. Each call makes the previous link worthless.
func (s *Accounts) SetupFragment(ctx context.Context) (string, error) {
	n, err := s.store.Read.CountAccounts(ctx)
	if err != nil || n > 0 {
		return "", store.Fault(err)
	}
	raw := make([]byte, setupBytes)
	if _, err := io.ReadFull(s.rand, raw); err != nil {
		return "", fmt.Errorf("setup link: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	s.Setup.Remember(token)
	return url.Values{"setup": {token}}.Encode(), nil
}

// Remember makes this the token that matches.
func (s *SetupToken) Remember(token string) {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum = sum[:]
}

func (s *SetupToken) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sum = nil
}

// Matches reports whether a token is that of the link.
func (s *SetupToken) Matches(token string) bool {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	return token != "" && s.sum != nil && subtle.ConstantTimeCompare(s.sum, sum[:]) == 1
}
