package pki

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"slices"
	"sync"
	"sync/atomic"

	"tlagate/internal/der"
)

// ownStaples are our own certificates, whose answers are kept fresh.
type ownStaples struct {
	mu    sync.Mutex // protects the rest
	certs []func() *tls.Certificate
}

// Staple makes of our own certificate one that carries a fresh OCSP answer in the handshake, as soon as there is one: fetched
// by Run when responders are configured, or brought by a status record. It never waits. What it gives fits
// Party.Certificate.
func (t *Trust) Staple(certificate func() *tls.Certificate) func() *tls.Certificate {
	t.own.mu.Lock()
	t.own.certs = append(t.own.certs, certificate)
	t.own.mu.Unlock()
	t.touch(certificate())
	var last atomic.Pointer[ownQuestion]
	return func() *tls.Certificate { return t.stapled(certificate(), &last) }
}

// ownQuestion is the question about the certificate that was asked for last.
type ownQuestion struct {
	own *tls.Certificate
	question
}

// stapled gives a copy with the answer at hand. An answer that is not good is not shown: the peer finds out by itself.
func (t *Trust) stapled(own *tls.Certificate, last *atomic.Pointer[ownQuestion]) *tls.Certificate {
	known := last.Load()
	if known == nil || known.own != own {
		q, ok := t.questionOfOwn(own)
		if !ok {
			return own
		}
		known = &ownQuestion{own, q}
		last.Store(known)
	}
	q := known.question
	q.now = t.now()
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

// touchOwn keeps the answers of our own certificates among those that are renewed.
func (t *Trust) touchOwn() {
	t.own.mu.Lock()
	certs := slices.Clone(t.own.certs)
	t.own.mu.Unlock()
	for _, certificate := range certs {
		t.touch(certificate())
	}
}

func (t *Trust) touch(own *tls.Certificate) {
	if q, ok := t.questionOfOwn(own); ok {
		t.answers.use(t, q)
	}
}

// questionOfOwn asks for the status of our own leaf. Its issuer stands behind it in its file, or is known here.
func (t *Trust) questionOfOwn(own *tls.Certificate) (q question, ok bool) {
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
	return question{issuer: issuer, cert: leaf, now: t.now()}, issuer != nil
}

func (t *Trust) issuerOfOwn(leaf *x509.Certificate, behind [][]byte) *x509.Certificate {
	known := append(t.allCAs(), t.roots.Load().intermediates...)
	for _, der := range behind {
		if c, err := x509.ParseCertificate(der); err == nil {
			known = append(known, c)
		}
	}
	for _, c := range known {
		if mayIssue(c, []*x509.Certificate{leaf}) && t.links.check(leaf, c, true) == nil {
			return c
		}
	}
	return nil
}

var oidTLSFeature = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}

// statusRequest is the TLS extension number that stands for stapling in a TLS feature list.
const statusRequest = 5

// mustStaple says whether a certificate has the TLS feature status_request (RFC 7633). An unreadable list counts as if
// it had.
func mustStaple(c *x509.Certificate) bool {
	e, has := der.Find(c, oidTLSFeature)
	return has && promisesStaple(e.Value)
}

func promisesStaple(value []byte) bool {
	list, ok := der.Sequence(value)
	if !ok {
		return true
	}
	for !list.Empty() {
		var feature int
		if !list.ReadASN1Integer(&feature) || feature == statusRequest {
			return true
		}
	}
	return false
}

func bigInt(b []byte) *big.Int { return new(big.Int).SetBytes(b) }
