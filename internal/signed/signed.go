// Package signed makes and verifies short-lived signed tokens: the authority in a URL that transfers one file once or a
// few times. It owns the encoding, the keys and the expiry. The code that verifies a token decides what it permits.
//
// A token is base64url over
//
//	version (1 byte) · key id (4 bytes) · fields · HMAC-SHA256 (32 bytes)
//
// where each field is preceded by its length, so that no byte can move from one field to the next under the same MAC.
// The MAC key is derived from the secret and the purpose of the Signer. So a token for one purpose verifies for no
// other, even if both share a secret.
package signed

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// MaxLength is the largest length of a token in characters. It keeps URLs well below the 8 KiB that proxies accept.
const MaxLength = 4096

const (
	version   = 1
	keyIDSize = 4
	headSize  = 1 + keyIDSize
	macSize   = sha256.Size
	// maxField limits a single text so that its length easily fits the two-byte prefix.
	maxField = 2048
)

// The ways in which a token can fail. Tests and metrics distinguish them; clients get the same answer for both.
var (
	ErrInvalid = errors.New("signed: invalid token")
	ErrExpired = errors.New("signed: expired token")
)

// Claims is the content of a token.
type Claims struct {
	// Operation is the permitted operation, such as "upload".
	Operation string
	// Workspace, User and Hash tell for whom and for which content.
	Workspace string
	User      string
	Hash      string
	// Size is a number of bytes and not negative.
	Size int64
	// MIME, Disposition and Filename describe the content. Each may be empty.
	MIME        string
	Disposition string
	Filename    string
	// Expires is kept in whole milliseconds.
	Expires time.Time
}

// Signer signs and verifies tokens of one purpose. It is safe for concurrent use.
type Signer struct {
	now     func() time.Time
	longest time.Duration
	// keys holds the current key first; the others only verify.
	keys []key
}

type key struct {
	id  [keyIDSize]byte
	mac []byte
}

// New returns a Signer that signs with the current secret. It also accepts tokens signed with a previous one, so that a
// secret can be rotated without refusing tokens in use. Empty previous secrets are skipped. longest is the longest
// validity of a token: one that is valid for longer was made while the clock was ahead.
func New(purpose string, now func() time.Time, longest time.Duration, current string, previous ...string) (*Signer, error) {
	if current == "" {
		return nil, errors.New("signed: empty secret")
	}
	s := &Signer{now: now, longest: longest}
	for i, secret := range append([]string{current}, previous...) {
		if i > 0 && secret == "" {
			continue
		}
		k, err := deriveKey(purpose, secret)
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, k)
	}
	return s, nil
}

func deriveKey(purpose, secret string) (key, error) {
	out, err := hkdf.Key(sha256.New, []byte(secret), nil, "or3-cloud signed token: "+purpose, macSize+keyIDSize)
	if err != nil {
		return key{}, fmt.Errorf("signed: derive key: %w", err)
	}
	return key{mac: out[:macSize], id: [keyIDSize]byte(out[macSize:])}, nil
}

// Sign returns the token for c. It fails if c does not fit into a token, because the caller's limits are wrong.
func (s *Signer) Sign(c Claims) (string, error) {
	k := s.keys[0]
	b := append([]byte{version}, k.id[:]...)
	b, err := appendClaims(b, c)
	if err != nil {
		return "", err
	}
	b = append(b, sum(k, b)...)
	if base64.RawURLEncoding.EncodedLen(len(b)) > MaxLength {
		return "", fmt.Errorf("signed: claims of %d bytes are too long", len(b))
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// skew is how much clocks may differ, or be set back, before a token counts as one from the future.
const skew = 5 * time.Minute

// Verify returns the claims of a token that this Signer made and that has not expired. Otherwise it returns ErrInvalid
// or ErrExpired. It interprets nothing in a token before it has verified the MAC.
func (s *Signer) Verify(token string) (Claims, error) {
	if len(token) > MaxLength {
		return Claims{}, ErrInvalid
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < headSize+macSize || b[0] != version {
		return Claims{}, ErrInvalid
	}
	// The decoder skips line breaks and ignores unused bits, but each content must have only one spelling.
	if base64.RawURLEncoding.EncodeToString(b) != token {
		return Claims{}, ErrInvalid
	}
	signedPart, mac := b[:len(b)-macSize], b[len(b)-macSize:]
	if !s.authentic(signedPart, mac) {
		return Claims{}, ErrInvalid
	}
	c, ok := parseClaims(signedPart[headSize:])
	if !ok {
		return Claims{}, ErrInvalid
	}
	if now := s.now(); !now.Before(c.Expires) || c.Expires.After(now.Add(s.longest+skew)) {
		return Claims{}, ErrExpired
	}
	return c, nil
}

func (s *Signer) authentic(signedPart, mac []byte) bool {
	for _, k := range s.keys {
		if bytes.Equal(k.id[:], signedPart[1:headSize]) && hmac.Equal(sum(k, signedPart), mac) {
			return true
		}
	}
	return false
}

func sum(k key, b []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	h.Write(b)
	return h.Sum(nil)
}

func (c *Claims) texts() []*string {
	return []*string{&c.Operation, &c.Workspace, &c.User, &c.Hash, &c.MIME, &c.Disposition, &c.Filename}
}

func appendClaims(b []byte, c Claims) ([]byte, error) {
	for _, text := range c.texts() {
		if len(*text) > maxField {
			return nil, fmt.Errorf("signed: field of %d bytes is too long", len(*text))
		}
		b = binary.BigEndian.AppendUint16(b, uint16(len(*text)))
		b = append(b, *text...)
	}
	if c.Size < 0 || c.Expires.UnixMilli() < 0 {
		return nil, errors.New("signed: negative size or expiry")
	}
	b = binary.BigEndian.AppendUint64(b, uint64(c.Size))
	return binary.BigEndian.AppendUint64(b, uint64(c.Expires.UnixMilli())), nil
}

func parseClaims(b []byte) (c Claims, ok bool) {
	for _, text := range c.texts() {
		if len(b) < 2 {
			return Claims{}, false
		}
		n := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; n > maxField || n > len(b) {
			return Claims{}, false
		}
		*text, b = string(b[:n]), b[n:]
	}
	if len(b) != 16 {
		return Claims{}, false
	}
	size, expires := binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	if size > math.MaxInt64 || expires > math.MaxInt64 {
		return Claims{}, false
	}
	c.Size, c.Expires = int64(size), time.UnixMilli(int64(expires))
	return c, true
}
