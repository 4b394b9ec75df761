package trust

import (
	"crypto/x509"
	"slices"

	"tlagate/pki/internal/certutil"
	"tlagate/pki/rfc5280"
)

// limits bound what a peer can make us try when it presents many CAs of one name.
type limits struct {
	presented int // certificates in a peer's chain
	path      int // certificates in a path, leaf and anchor included
	paths     int
	steps     int
}

// limits returns the limits of a profile: programs meet strangers, while a person who examines a chain has the time.
func (p Profile) limits() limits {
	if p == RFC5280 {
		return limits{presented: 100, path: 20, paths: 100, steps: 2000}
	}
	return limits{presented: 10, path: 6, paths: 16, steps: 100}
}

// path is a candidate: leaf first, anchor last.
type path struct {
	certs  []*x509.Certificate
	anchor *Anchor
}

// pathBuilder finds the paths from a leaf to the anchors by names and key identifiers; it checks nothing else.
type pathBuilder struct {
	limits  limits
	loosely bool // names are compared by the rules of RFC 5280, not byte by byte
	anchors []Anchor
	pool    []*x509.Certificate // the CAs that were presented, then those that are configured
	steps   int
	paths   []path
	longest []*x509.Certificate // the longest chain that was tried
}

func (b *pathBuilder) extend(certs []*x509.Certificate) {
	if b.steps++; b.steps > b.limits.steps || len(b.paths) >= b.limits.paths {
		return
	}
	if len(certs) > len(b.longest) {
		b.longest = slices.Clone(certs)
	}
	if len(certs) >= b.limits.path {
		return
	}
	b.finish(certs)
	for _, ca := range b.pool {
		if b.mayIssue(ca, certs) {
			b.extend(append(slices.Clone(certs), ca))
		}
	}
}

func (b *pathBuilder) finish(certs []*x509.Certificate) {
	for i := range b.anchors {
		if a := &b.anchors[i]; b.mayIssue(a.Cert, certs) && len(b.paths) < b.limits.paths {
			b.paths = append(b.paths, path{append(slices.Clone(certs), a.Cert), a})
		}
	}
}

func (b *pathBuilder) mayIssue(ca *x509.Certificate, certs []*x509.Certificate) bool {
	if !b.loosely {
		return certutil.MayIssue(ca, certs)
	}
	child := certs[len(certs)-1]
	return rfc5280.SameName(ca.RawSubject, child.RawIssuer) &&
		certutil.KeyIDsFit(child.AuthorityKeyId, ca.SubjectKeyId) &&
		!slices.ContainsFunc(certs, ca.Equal)
}
