package trust

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"sync"
)

// sharedCAs has one copy of each CA's certificate that was in a good path: thousands of peers present the same few, and
// a copy for each would cost 4 KB a link.
type sharedCAs struct {
	mu    sync.Mutex // protects byDER
	byDER map[string]*x509.Certificate
}

// maxShared bounds the copies. Only what leads to an anchor gets in.
const maxShared = 256

// Share makes a good verdict, and the chain that it is about, refer to the copies of CA certificates that all share,
// and the leaf to its issuer's where both say the same. It is for those who keep them for long, and to whom alone they
// belong as yet. What the certificates say stays the same.
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
		slim(v.Path[0], v.Path[1])
	}
}

// slim makes a leaf refer to what its issuer's certificate has too: the issuer's name, the names of extensions.
func slim(leaf, issuer *x509.Certificate) {
	if bytes.Equal(leaf.RawIssuer, issuer.RawSubject) {
		leaf.Issuer = issuer.Subject
	}
	leaf.Extensions = slices.Clone(leaf.Extensions) // it was made with room for more
	for i, e := range leaf.Extensions {
		same := func(other pkix.Extension) bool { return other.Id.Equal(e.Id) }
		if at := slices.IndexFunc(issuer.Extensions, same); at >= 0 {
			leaf.Extensions[i].Id = issuer.Extensions[at].Id
		}
	}
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
