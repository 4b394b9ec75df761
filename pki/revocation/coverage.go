package revocation

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/describe"
)

// Coverage is what there is to find out by whether the certificates of one CA are revoked; for people who look before a
// peer is refused.
type Coverage struct {
	CA      string    // common name of the issuer
	Of      string    // what it issued: "CAs" or "components"
	Leaf    bool      // Of is components
	Source  string    // SourceCRL, SourceOCSP …: by what a certificate of it would be accepted now; "" = by nothing
	Until   time.Time // when that ends
	Listed  bool      // a list in its name is at hand, good or not (Lists says which)
	Asked   bool      // responders are asked about its certificates
	Revoked bool      // the example certificate is revoked, so there is something that says so
	Silence error     // why the responders that were asked about the example brought nothing; a *Refusal
}

// Covered reports whether a certificate of the CA would be accepted now, or responders are asked when one comes.
func (c Coverage) Covered() bool { return c.Source != "" || c.Revoked || c.Asked && c.Silence == nil }

// CoverageOf returns the coverage of one CA, by an example of what peers present: a certificate that it issued, a
// component's if leaf (nil = none is at hand). With ask, responders are asked about that certificate, and waited for.
func (t *Store) CoverageOf(issuer, cert *x509.Certificate, leaf bool, now time.Time, ask bool) Coverage {
	c := Coverage{CA: describe.Name(issuer.Subject.CommonName), Of: "CAs", Leaf: leaf}
	if c.Leaf {
		c.Of = "components"
	}
	c.Listed = slices.ContainsFunc(t.snap.Load().crls, func(l *crl.List) bool {
		return bytes.Equal(l.Head.RawIssuer, issuer.RawSubject)
	})
	if cert == nil {
		c.Asked = len(t.cfg.OCSP.Responders) > 0 || t.cfg.OCSP.FromAIA
		c.Source, c.Until = t.listOf(issuer)
		return c
	}
	c.Asked = len(t.respondersOf(cert)) > 0
	q := Question{Issuer: issuer, Cert: cert, CA: cert.IsCA, Now: now, Online: ask}
	found, refusal := t.Status(q)
	if refusal == nil {
		c.Source, c.Until = found.Kind, found.NextUpdate
	} else {
		c.Revoked = refusal.Revokes()
	}
	if _, silent := t.answers.outcome(q.about()); ask && silent != nil {
		c.Silence = silent
	}
	return c
}

// listOf returns the end of the best list of a CA, whichever certificates it covers.
func (t *crlStore) listOf(issuer *x509.Certificate) (source string, until time.Time) {
	for _, c := range t.snap.Load().crls {
		if bytes.Equal(c.Head.RawIssuer, issuer.RawSubject) && t.judgeCRLOf(c, issuer) == nil &&
			c.Head.NextUpdate.After(until) {
			source, until = pki.SourceCRL, c.Head.NextUpdate
		}
	}
	return source, until
}
