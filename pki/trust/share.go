package trust

import (
	"crypto/x509"
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

// Share makes a good verdict, and the chain that it is about, refer to the copies of CA certificates that all share. It
// is for those who keep them for long. Certificates are exchanged for equal ones, and leaves stay.
func (t *Trust) Share(v *Verdict, chain []*x509.Certificate) {
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
