package trust

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"sync"
)

// sharedCAs has one copy of each CA's certificate that was in a good path: thousands of peers present the same few, and
// a copy for each would cost 4 KB a link.
type sharedCAs struct {
	mu    sync.Mutex // protects the rest
	byDER map[string]*x509.Certificate

	// models has a leaf of each of them, which its others resemble.
	models map[*x509.Certificate]*x509.Certificate
}

// maxShared bounds the copies. Only what leads to an anchor gets in.
const maxShared = 256

// Share makes a good verdict, and the chain that it is about, refer to the copies of CA certificates that all share,
// and the leaf to its issuer's, and to another leaf's, where both say the same. It is for those who keep them for long,
// and to whom alone they belong as yet. What the certificates say stays the same.
func (t *Trust) Share(v *Verdict, chain []*x509.Certificate) {
	if len(v.Path) == 0 {
		return // of an anonymous peer
	}
	t.shared.mu.Lock()
	defer t.shared.mu.Unlock()
	for i, ca := range v.Path {
		if i > 0 {
			v.Path[i] = t.shared.keep(ca)
		}
	}
	for i, c := range chain {
		if same := t.shared.byDER[string(c.Raw)]; i > 0 && same != nil {
			chain[i] = same
		}
	}
	if len(v.Path) > 1 {
		leaf, issuer := v.Path[0], v.Path[1]
		slim(leaf, issuer)
		resemble(leaf, t.shared.model(leaf, issuer))
	}
}

// slim makes a leaf refer to its issuer's name as the issuer's certificate has it, and to no more room than it needs.
func slim(leaf, issuer *x509.Certificate) {
	if bytes.Equal(leaf.RawIssuer, issuer.RawSubject) {
		leaf.Issuer = issuer.Subject
	}
	leaf.Extensions = slices.Clone(leaf.Extensions) // it was made with room for more
}

// resemble makes a leaf refer to what another one of its CA has too: where its status is to be asked for, its policies
// and usages, the names of extensions and attributes.
func resemble(leaf, model *x509.Certificate) {
	share(&leaf.CRLDistributionPoints, model.CRLDistributionPoints, equal)
	share(&leaf.OCSPServer, model.OCSPServer, equal)
	share(&leaf.IssuingCertificateURL, model.IssuingCertificateURL, equal)
	share(&leaf.ExtKeyUsage, model.ExtKeyUsage, equal)
	share(&leaf.Policies, model.Policies, x509.OID.Equal)
	share(&leaf.PolicyIdentifiers, model.PolicyIdentifiers, asn1.ObjectIdentifier.Equal)
	for i := range leaf.Extensions[:min(len(leaf.Extensions), len(model.Extensions))] {
		share((*[]int)(&leaf.Extensions[i].Id), model.Extensions[i].Id, equal)
	}
	for i := range leaf.Subject.Names[:min(len(leaf.Subject.Names), len(model.Subject.Names))] {
		share((*[]int)(&leaf.Subject.Names[i].Type), model.Subject.Names[i].Type, equal)
	}
}

// share replaces a list by an equal one.
func share[T any](list *[]T, other []T, equal func(a, b T) bool) {
	if slices.EqualFunc(*list, other, equal) {
		*list = other
	}
}

func equal[T comparable](a, b T) bool { return a == b }

// model returns the leaf that a CA's others are to resemble; the first one becomes it. It is called with mu locked.
func (s *sharedCAs) model(leaf, issuer *x509.Certificate) *x509.Certificate {
	if model := s.models[issuer]; model != nil {
		return model
	}
	if s.byDER[string(issuer.Raw)] != issuer {
		return leaf // its copy is not shared: there are too many
	}
	if s.models == nil {
		s.models = map[*x509.Certificate]*x509.Certificate{}
	}
	s.models[issuer] = leaf
	return leaf
}

// keep returns the shared copy of a CA's certificate, which becomes it if there is none. It is called with mu locked.
func (s *sharedCAs) keep(ca *x509.Certificate) *x509.Certificate {
	if same := s.byDER[string(ca.Raw)]; same != nil {
		return same
	}
	if len(s.byDER) < maxShared {
		if s.byDER == nil {
			s.byDER = map[string]*x509.Certificate{}
		}
		s.byDER[string(ca.Raw)] = ca
	}
	return ca
}
