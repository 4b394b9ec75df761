package ca

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"golang.org/x/crypto/ocsp"
)

// Answer signs an OCSP answer about one of our good certificates with the issuing CA's own key, as RFC 6960 section 2.2 lets
// a CA do: for the EST server, whose clients know no responder yet. It is good for life. One that is not good by the books
// gets none, and the error is a *Denied.
func (c *CA) Answer(cert *x509.Certificate, life time.Duration) (der []byte, end time.Time, err error) {
	found, err := c.ours(cert)
	if err != nil {
		return nil, end, fmt.Errorf("cannot vouch for a certificate: %w", err)
	}
	now := c.now()
	if r := found[0]; r.Status != Good || r.Expired(now) {
		return nil, end, denyf(CertificateRefused, "cannot vouch for certificate %s: it is %s, until %s", r.Serial, r.Status, r.NotAfter.Format(time.DateOnly))
	}
	key, err := c.issuingKey()
	if err != nil {
		return nil, end, err
	}
	end = now.Add(life)
	der, err = ocsp.CreateResponse(c.Issuing, c.Issuing, ocsp.Response{
		Status: ocsp.Good, SerialNumber: cert.SerialNumber, ThisUpdate: now, NextUpdate: end,
		// It names, and protects nothing: the hash by which every client finds the answer (RFC 5019 section 2.1.1).
		IssuerHash: crypto.SHA1,
	}, key)
	return der, end, err
}
