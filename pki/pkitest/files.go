package pkitest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"tlagate/pemfile"
)

// Files are the paths of a written trust store.
type Files struct {
	Anchor       string // the root, PEM
	Intermediate string // the issuing CA, PEM
	ARL          string // the root's CRL, PEM
	CRL          string // the issuing CA's CRL, PEM
}

// CRLs returns both lists, as revocation.Config.CRLs wants them.
func (f Files) CRLs() []string { return []string{f.ARL, f.CRL} }

// WriteTrust writes root, issuing CA and fresh revocation lists of both into dir.
func (p *PKI) WriteTrust(dir string) Files {
	p.t.Helper()
	f := Files{
		Anchor:       filepath.Join(dir, "root.pem"),
		Intermediate: filepath.Join(dir, "issuing.pem"),
		ARL:          filepath.Join(dir, "root.crl"),
		CRL:          filepath.Join(dir, "issuing.crl"),
	}
	WriteCertificates(p.t, f.Anchor, p.Root.Cert)
	WriteCertificates(p.t, f.Intermediate, p.Issuing.Cert)
	p.WriteCRLs(f)
	return f
}

// WriteCRLs writes new revocation lists of both CAs, each number one higher.
func (p *PKI) WriteCRLs(f Files) {
	p.t.Helper()
	WriteCRL(p.t, f.ARL, p.Root.CRL())
	WriteCRL(p.t, f.CRL, p.Issuing.CRL())
}

// WriteCRL writes DER revocation lists as one PEM file, in one step.
func WriteCRL(t testing.TB, file string, ders ...[]byte) {
	t.Helper()
	var out bytes.Buffer
	for _, der := range ders {
		must(t, pem.Encode(&out, &pem.Block{Type: pemfile.CRL, Bytes: der}))
	}
	writeFile(t, file, out.Bytes(), 0o644)
}

// WriteCertificates writes a PEM file, in one step.
func WriteCertificates(t testing.TB, file string, certs ...*x509.Certificate) {
	t.Helper()
	var out bytes.Buffer
	for _, c := range certs {
		must(t, pem.Encode(&out, &pem.Block{Type: pemfile.Certificate, Bytes: c.Raw}))
	}
	writeFile(t, file, out.Bytes(), 0o644)
}

// WriteCertificate writes DIR/NAME.pem (the chain) and DIR/NAME.key (PKCS#8, mode 0600).
func WriteCertificate(t testing.TB, dir, name string, c tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	certFile, keyFile = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	WriteCertificates(t, certFile, Chain(c)...)
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(t, err)
	writeFile(t, keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
	return certFile, keyFile
}

func writeFile(t testing.TB, file string, data []byte, mode os.FileMode) {
	t.Helper()
	tmp := file + ".new"
	must(t, os.WriteFile(tmp, data, mode))
	must(t, os.Rename(tmp, file))
}
