package pki

import (
	"bytes"
	"crypto/x509"
	"slices"
	"time"
)

// Coverage is what there is to tell by whether the certificates that one CA issued are revoked; for people who look
// before a peer is refused.
type Coverage struct {
	CA      string    // common name of the issuer
	Of      string    // what it issued: "CAs" or "components"
	Leaf    bool      // Of is components
	Source  string    // SourceCRL, SourceOCSP …: by what a certificate of it would be accepted now; "" = by nothing
	Until   time.Time // of that
	Listed  bool      // a list in its name is at hand, good or not (Lists says which)
	Asked   bool      // responders are asked about its certificates
	Revoked bool      // the one that was looked at is, so there is something to tell by
	Silence error     // why the responders that were asked about one of them brought nothing; a *Refusal
}

// Covered reports whether a certificate of the CA would be accepted now, or is asked about when one comes.
func (c Coverage) Covered() bool { return c.Source != "" || c.Revoked || c.Asked && c.Silence == nil }

// Coverage looks at the CAs of chains (leaf first, as a handshake has them), which are taken for examples of what peers
// present, and of this store. With ask, responders are asked about the certificates of those chains, and waited for.
func (t *Trust) Coverage(ask bool, chains ...[]*x509.Certificate) []Coverage {
	var all []Coverage
	for _, e := range t.examples(chains) {
		all = append(all, t.cover(e, ask))
	}
	return all
}

// example is a CA, and a certificate that it issued; nil = none is at hand.
type example struct{ issuer, cert *x509.Certificate }

// examples gives one of each CA and kind of certificate.
func (t *Trust) examples(chains [][]*x509.Certificate) (list []example) {
	add := func(issuer, cert *x509.Certificate) {
		if !slices.ContainsFunc(list, func(e example) bool {
			return e.issuer.Equal(issuer) && (cert == nil ||
				e.isCA() == cert.IsCA)
		}) {
			list = append(list, example{issuer, cert})
		}
	}
	r := t.roots.Load()
	for _, ca := range r.intermediates {
		chains = append(chains, []*x509.Certificate{ca})
	}
	for _, chain := range chains {
		paths, _ := r.findPaths(chain, "")
		for _, p := range paths {
			for i := range len(p.certs) - 1 {
				add(p.certs[i+1], p.certs[i])
			}
		}
	}
	for _, ca := range slices.Concat(r.intermediates, certsOf(r.anchors)) {
		add(ca, nil)
	}
	return list
}

func certsOf(anchors []Anchor) (list []*x509.Certificate) {
	for _, a := range anchors {
		list = append(list, a.Cert)
	}
	return list
}

// isCA: of what a CA issued and nobody has seen, its path length tells.
func (e example) isCA() bool {
	if e.cert != nil {
		return e.cert.IsCA
	}
	return selfIssued(e.issuer) && !(e.issuer.MaxPathLen == 0 && e.issuer.MaxPathLenZero)
}

func (t *Trust) cover(e example, ask bool) Coverage {
	c := Coverage{CA: name(e.issuer.Subject.CommonName), Of: "CAs", Leaf: !e.isCA()}
	if c.Leaf {
		c.Of = "components"
	}
	c.Listed = slices.ContainsFunc(t.snap.Load().crls, func(l *crl) bool {
		return bytes.Equal(l.list.RawIssuer,
			e.issuer.RawSubject)
	})
	if e.cert == nil {
		c.Asked = len(t.cfg.OCSP.Responders) > 0 || t.cfg.OCSP.FromAIA
		c.Source, c.Until = t.listOf(e.issuer)
		return c
	}
	c.Asked = len(t.respondersOf(e.cert)) > 0
	q := question{issuer: e.issuer, cert: e.cert, ca: e.cert.IsCA, now: t.moment(), online: ask}
	found, refusal := t.status(q)
	if refusal == nil {
		c.Source, c.Until = found.Kind, found.NextUpdate
	} else {
		c.Revoked = slices.Contains([]Reason{Revoked, CARevoked, OnDenyList}, refusal.Reason)
	}
	if _, silent := t.answers.outcome(q.about()); ask && silent != nil {
		c.Silence = silent
	}
	return c
}

// listOf gives the end of the best list of a CA, whichever certificates it covers.
func (t *Trust) listOf(issuer *x509.Certificate) (source string, until time.Time) {
	for _, c := range t.snap.Load().crls {
		if bytes.Equal(c.list.RawIssuer, issuer.RawSubject) && t.judgeCRLOf(c, issuer) == nil &&
			c.list.NextUpdate.After(until) {
			source, until = SourceCRL, c.list.NextUpdate
		}
	}
	return source, until
}
