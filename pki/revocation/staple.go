package revocation

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"sync"
	"sync/atomic"

	"tlagate/pki/internal/certutil"
)

// ownStaples has our own certificates, whose answers are renewed.
type ownStaples struct {
	mu    sync.Mutex // protects the rest
	certs []func() *tls.Certificate
}

// Staple returns a function that returns our own certificate with a fresh OCSP answer for the handshake, as soon as
// there is one: fetched by Run when responders are configured, or brought by a status record. It never waits. The
// function fits Party.Certificate.
func (t *Store) Staple(certificate func() *tls.Certificate) func() *tls.Certificate {
	t.own.mu.Lock()
	t.own.certs = append(t.own.certs, certificate)
	t.own.mu.Unlock()
	t.touch(certificate())
	var last atomic.Pointer[ownQuestion]
	return func() *tls.Certificate { return t.stapled(certificate(), &last) }
}

// ownQuestion is the question about our certificate of the last call.
type ownQuestion struct {
	own *tls.Certificate
	Question
}

// stapled returns a copy with the answer at hand. An answer that is not good is not shown: the peer finds out by
// itself.
func (t *Store) stapled(own *tls.Certificate, last *atomic.Pointer[ownQuestion]) *tls.Certificate {
	known := last.Load()
	if known == nil || known.own != own {
		q, ok := t.questionOfOwn(own)
		if !ok {
			return own
		}
		known = &ownQuestion{own, q}
		last.Store(known)
	}
	q := known.Question
	q.Now = t.now()
	a, _, _ := t.fromMemory(q)
	if a == nil {
		a, _, _ = t.fromKept(q)
	}
	if a == nil || a.status != statusGood {
		return own
	}
	with := *own
	with.OCSPStaple = a.der
	return &with
}

// touchOwn notes that our own certificates are in use, so that their answers are renewed.
func (t *Store) touchOwn() {
	t.own.mu.Lock()
	certs := slices.Clone(t.own.certs)
	t.own.mu.Unlock()
	for _, certificate := range certs {
		t.touch(certificate())
	}
}

func (t *Store) touch(own *tls.Certificate) {
	if q, ok := t.questionOfOwn(own); ok {
		t.use(q)
	}
}

// questionOfOwn returns the question about our own leaf. Its issuer follows it in its file, or is known here.
func (t *Store) questionOfOwn(own *tls.Certificate) (q Question, ok bool) {
	if own == nil || len(own.Certificate) == 0 {
		return q, false
	}
	leaf := own.Leaf
	var err error
	if leaf == nil {
		if leaf, err = x509.ParseCertificate(own.Certificate[0]); err != nil {
			return q, false
		}
	}
	issuer := t.issuerOfOwn(leaf, own.Certificate[1:])
	return Question{Issuer: issuer, Cert: leaf, Now: t.now()}, issuer != nil
}

func (t *Store) issuerOfOwn(leaf *x509.Certificate, behind [][]byte) *x509.Certificate {
	known := append(t.allCAs(), t.cfg.Issuers(leaf)...)
	for _, der := range behind {
		if c, err := x509.ParseCertificate(der); err == nil {
			known = append(known, c)
		}
	}
	for _, c := range known {
		if certutil.MayIssue(c, []*x509.Certificate{leaf}) && t.links.Check(leaf, c) == nil {
			return c
		}
	}
	return nil
}
