package bed

import (
	"crypto/x509"

	"tlagate/pki/pkitest"
)

// Answering has the issuing CA answer about a certificate.
func Answering(opts ...pkitest.OCSPOption) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte { return w.Issuing.OCSP(leaf, opts...) }
}

// SignedBy has the answer signed by a responder of the issuing CA with one defect.
func SignedBy(opts ...pkitest.Option) func(*World, *x509.Certificate) []byte {
	return func(w *World, leaf *x509.Certificate) []byte {
		return w.Issuing.OCSP(leaf, pkitest.OCSPSignedBy(w.Issuing.Responder(opts...)))
	}
}

// Other is a certificate that nobody asked about.
func Other(w *World) *x509.Certificate { return w.Issue(PdT1, AsClient).Leaf }
