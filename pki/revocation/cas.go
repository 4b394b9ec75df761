package revocation

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"maps"
	"slices"
)

// Learn remembers a CA whose path to an anchor has been verified, so that a new CRL of it can be judged when read.
func (t *shared) Learn(ca *x509.Certificate) {
	key := sha256.Sum256(ca.Raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.cas[key]; known || len(t.cas) >= maxCAs {
		return
	}
	t.cas[key] = ca
}

func (t *shared) knowsCA(rawSubject []byte) bool { return len(t.knownCAs(rawSubject)) > 0 }

// knownCAs gives the trusted CAs of a name.
func (t *shared) knownCAs(rawSubject []byte) []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*x509.Certificate
	for _, ca := range t.cas {
		if bytes.Equal(ca.RawSubject, rawSubject) {
			list = append(list, ca)
		}
	}
	return list
}

// allCAs gives the trusted CAs.
func (t *shared) allCAs() []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.cas))
}

// maxCAs bounds what peers' chains can make us remember.
const maxCAs = 1024
