package certutil

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"sync"
)

// Set remembers up to Max digests; when it is full it starts anew.
type Set struct {
	Max int // 0 = 1024

	mu  sync.Mutex
	set map[[sha256.Size]byte]struct{}
}

const maxRemembered = 1024

// Has reports whether a digest is remembered.
func (s *Set) Has(key [sha256.Size]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.set[key]
	return ok
}

// Add remembers a digest.
func (s *Set) Add(key [sha256.Size]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set == nil || len(s.set) >= cmp.Or(s.Max, maxRemembered) {
		s.set = make(map[[sha256.Size]byte]struct{})
	}
	s.set[key] = struct{}{}
}

// Signatures remembers what never changes: which key signed which certificate.
type Signatures struct{ Set }

// Check verifies the signature of issuer on child, unless it is already known to be good.
func (s *Signatures) Check(child, issuer *x509.Certificate) error {
	key := Sum256(child.Raw, issuer.RawSubjectPublicKeyInfo)
	if s.Has(key) {
		return nil
	}
	err := issuer.CheckSignature(child.SignatureAlgorithm, child.RawTBSCertificate, child.Signature)
	if err == nil {
		s.Add(key)
	}
	return err
}

// Sum256 returns the digest of all parts, one after the other.
func Sum256(parts ...[]byte) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}
