package trust

import (
	"crypto/x509"
	"slices"

	"tlagate/pki/internal/certutil"
	"tlagate/pki/revocation"
)

// Coverage returns the coverage of the CAs of this store and of chains (leaf first, as in a handshake), which are
// examples of what peers present. With ask, responders are asked about the certificates of those chains, and waited
// for.
func (t *Trust) Coverage(ask bool, chains ...[]*x509.Certificate) []revocation.Coverage {
	var all []revocation.Coverage
	for _, e := range t.examples(chains) {
		all = append(all, t.CoverageOf(e.issuer, e.cert, !e.isCA(), t.moment(), ask))
	}
	return all
}

// example is a CA, and a certificate that it issued; nil = none is at hand.
type example struct{ issuer, cert *x509.Certificate }

// examples returns one for each CA and kind of certificate.
func (t *Trust) examples(chains [][]*x509.Certificate) (list []example) {
	add := func(issuer, cert *x509.Certificate) {
		if !slices.ContainsFunc(list, func(e example) bool {
			return e.issuer.Equal(issuer) && (cert == nil || e.isCA() == cert.IsCA)
		}) {
			list = append(list, example{issuer, cert})
		}
	}
	r := t.roots.Load()
	for _, ca := range r.intermediates {
		chains = append(chains, []*x509.Certificate{ca})
	}
	for _, chain := range chains {
		paths, _ := r.findPaths(chain, circumstances{})
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

// isCA reports whether the certificate is a CA's. Without a certificate, the issuer's path length decides.
func (e example) isCA() bool {
	if e.cert != nil {
		return e.cert.IsCA
	}
	return certutil.SelfIssued(e.issuer) && !(e.issuer.MaxPathLen == 0 && e.issuer.MaxPathLenZero)
}
