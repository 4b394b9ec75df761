// Package crl reads certificate revocation lists (RFC 5280 section 5) and judges each one by itself: its form, which CA
// signed it, which certificates it covers, and whether it is in date. It keeps a list as its DER and an index of about
// eight bytes an entry. Which of several lists to believe is decided by package revocation.
package crl

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
)

var (
	oidDeltaCRL = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIDP      = asn1.ObjectIdentifier{2, 5, 29, 28}
)

// List is one complete revocation list (a CRL or an ARL) as read, not yet believed. Its DER and the index of its
// entries take about 50 bytes an entry together.
type List struct {
	Source  string               // file or URL
	Head    *x509.RevocationList // without its entries
	DER     []byte               // all of it
	Scope   Scope                // which certificates it covers
	tbs     []byte               // what is signed
	entries entries
	indexed sync.Once
	problem string // what makes it unusable no matter which CA signed it; "" = nothing

	mu      sync.Mutex
	signers map[[32]byte]error // outcome of the signature check, by the issuer's key
}

// String returns the list's source, issuer, number and end.
func (c *List) String() string {
	return fmt.Sprintf("CRL %s of %s (number %s, until %s)", c.Source, describe.Name(c.Head.Issuer.CommonName),
		c.Number(), stamp.Instant(c.Head.NextUpdate))
}

// about returns the CRL's source and issuer, for a refusal whose detail says the rest.
func (c *List) about() string {
	return fmt.Sprintf("CRL %s of %s", c.Source, describe.Name(c.Head.Issuer.CommonName))
}

// Number returns the CRLNumber, or zero in place of one that no list may have: a stranger's could have a million
// digits.
func (c *List) Number() *big.Int {
	if !c.numbered() {
		return new(big.Int)
	}
	return c.Head.Number
}

func (c *List) numbered() bool {
	return c.Head.Number != nil && c.Head.Number.Sign() >= 0 && c.Head.Number.BitLen() <= 160
}

// Index makes the table that Find needs, once.
func (c *List) Index() { c.indexed.Do(c.entries.index) }

// Find returns the entry of a serial (big-endian, without leading zeros). Call it only on a list whose signature is
// good: the first call makes the index.
func (c *List) Find(serial []byte) (Entry, bool) {
	c.Index()
	return c.entries.find(serial)
}

// SameSeries reports whether both lists are numbered in one series: same CA, same key, same distribution point.
func (c *List) SameSeries(o *List) bool {
	return bytes.Equal(c.Head.RawIssuer, o.Head.RawIssuer) &&
		bytes.Equal(c.Head.AuthorityKeyId, o.Head.AuthorityKeyId) &&
		bytes.Equal(c.Scope.Raw, o.Scope.Raw)
}

// Refuse returns a refusal that names the CRL.
func (c *List) Refuse(r pki.Reason, format string, args ...any) *pki.Refusal {
	return &pki.Refusal{Reason: r, Subject: c.about(), Detail: fmt.Sprintf(format, args...)}
}

// CheckForm returns a refusal if something makes the CRL unusable no matter which CA signed it.
func (c *List) CheckForm() *pki.Refusal {
	if c.problem == "" {
		return nil
	}
	return c.Refuse(pki.CRLBad, "%s", c.problem)
}

// CheckIssuer returns a refusal unless the CRL, its dates apart, is a good one from this very CA.
func (c *List) CheckIssuer(issuer *x509.Certificate) *pki.Refusal {
	if refusal := c.CheckForm(); refusal != nil {
		return refusal
	}
	switch {
	case len(issuer.SubjectKeyId) == 0 || !bytes.Equal(c.Head.AuthorityKeyId, issuer.SubjectKeyId):
		return c.Refuse(pki.CRLWrongIssuer, "it is signed by another key (identifier %x) than that of %s",
			c.Head.AuthorityKeyId, describe.CA(issuer))
	case certutil.HasKeyUsage(issuer) &&
		issuer.KeyUsage&x509.KeyUsageCRLSign == 0: // without key usage, the check of the path decides
		return c.Refuse(pki.CRLWrongIssuer, "%s lacks cRLSign and cannot sign it", describe.CA(issuer))
	}
	if err := c.SignedBy(issuer); err != nil {
		return c.Refuse(pki.CRLBadSignature, "%v", err)
	}
	return nil
}

// SignedBy verifies the signature, once for each key.
func (c *List) SignedBy(issuer *x509.Certificate) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := sha256.Sum256(issuer.RawSubjectPublicKeyInfo)
	err, known := c.signers[key]
	if !known {
		if err = pki.CheckSignatureAlgorithm(c.Head.SignatureAlgorithm); err == nil {
			err = issuer.CheckSignature(c.Head.SignatureAlgorithm, c.tbs, c.Head.Signature)
		}
		if c.signers == nil || len(c.signers) >= maxSigners {
			c.signers = make(map[[32]byte]error)
		}
		c.signers[key] = err
	}
	return err
}

const maxSigners = 16

// CheckFuture refuses a list that begins later than a difference between clocks explains.
func (c *List) CheckFuture(now time.Time) *pki.Refusal {
	if c.Head.ThisUpdate.After(now.Add(certutil.ClockSkew)) {
		return c.Refuse(pki.CRLFuture, "it begins at %s and it is %s here; set the clock, unless the CA's is wrong",
			stamp.Instant(c.Head.ThisUpdate), stamp.Instant(now))
	}
	return nil
}

// CheckStale refuses a list that has ended.
func (c *List) CheckStale(now time.Time) *pki.Refusal {
	if now.After(c.Head.NextUpdate) {
		return c.Refuse(pki.CRLStale, "it ended at %s and it is %s here; publish a new one",
			stamp.Instant(c.Head.NextUpdate), stamp.Instant(now))
	}
	return nil
}

// Due returns when a list should have been replaced: when a tenth of its life is left.
func (c *List) Due() time.Time {
	return c.Head.NextUpdate.Add(-c.Head.NextUpdate.Sub(c.Head.ThisUpdate) / 10)
}

// Replaces reports whether c takes the place of o: both are in the name of one CA.
func (c *List) Replaces(o *List) bool { return bytes.Equal(c.Head.RawIssuer, o.Head.RawIssuer) }

// IsDelta reports whether the list only completes another one.
func (c *List) IsDelta() bool {
	for _, e := range c.Head.Extensions {
		if e.Id.Equal(oidDeltaCRL) {
			return true
		}
	}
	return false
}
