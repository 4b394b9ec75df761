package bed

import (
	"crypto/x509"

	"tlagate/pki/pkitest"
)

// Answering returns a function that makes the issuing CA answer about a certificate.
func Answering(opts ...pkitest.OCSPOption) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte { return w.Issuing.OCSP(leaf, opts...) }
}

// SignedBy returns a function that makes an answer, signed by a responder of the issuing CA that has these options,
// most of them defects.
func SignedBy(opts ...pkitest.Option) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(w.Issuing.Responder(opts...)))
	}
}

// Other returns a certificate that was not asked about.
func Other(w *World) *x509.Certificate { return w.Issue(PdT1, AsClient).Leaf }
