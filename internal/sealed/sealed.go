// Package sealed encrypts texts in a database that others may copy (AES-256-GCM): each text for one place, with keys
// derived from secrets of the configuration.
package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
)

// Sealer seals and opens texts for one purpose. The first key seals. The others still open what they have sealed, so
// that a secret can be changed.
type Sealer struct {
	rand io.Reader
	keys []cipher.AEAD
}

// New returns a sealer with keys derived from secrets. The first one seals. Text sealed for another purpose does not
// open, even with the same secrets.
func New(rand io.Reader, purpose string, secrets ...string) (*Sealer, error) {
	s := &Sealer{rand: rand}
	for _, secret := range secrets {
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, purpose, 32)
		if err != nil {
			return nil, fmt.Errorf("derive the sealing key: %w", err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, aead)
	}
	return s, nil
}

// Seal encrypts text for one place, such as a row. It does not open for any other.
func (s *Sealer) Seal(text []byte, place string) ([]byte, error) {
	nonce := make([]byte, s.keys[0].NonceSize())
	if _, err := io.ReadFull(s.rand, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s.keys[0].Seal(nonce, nonce, text, []byte(place)), nil
}

// Open decrypts the result of Seal for the same place.
func (s *Sealer) Open(sealed []byte, place string) ([]byte, error) {
	text, _, err := s.Inspect(sealed, place)
	return text, err
}

// Inspect is like Open, and also reports whether the first key sealed the text. Long-lived texts are resealed if it did
// not, so that an old key can be discarded.
func (s *Sealer) Inspect(sealed []byte, place string) (text []byte, current bool, err error) {
	for i, key := range s.keys {
		n := key.NonceSize()
		if len(sealed) < n {
			break
		}
		if text, err := key.Open(nil, sealed[:n], sealed[n:], []byte(place)); err == nil {
			return text, i == 0, nil
		}
	}
	return nil, false, errors.New("unseal: not sealed with one of the keys, or for another place")
}
