package bundle_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

const (
	tlaURN   = "urn:tlagate:cabinet:tla:valise"
	otherURN = "urn:tlagate:cabinet:tla:autre"
	opsURN   = "urn:tlagate:operateur:admin:ops"
)

// bed is a device, and the operators who sign for it.
type bed struct {
	t      testing.TB
	ca     *pkitest.PKI
	dir    string
	root   string
	ops    tls.Certificate
	device tls.Certificate
	cfg    bundle.Config
	events []bundle.Event
	deaf   error // what the audit trail says
}

func newBed(t testing.TB) *bed {
	b := &bed{t: t, ca: pkitest.New(t), dir: t.TempDir()}
	b.root = filepath.Join(b.dir, "root.pem")
	pkitest.WriteCertificates(t, b.root, b.ca.Root.Cert)
	b.ops = b.ca.Issue(opsURN, x509.ExtKeyUsageCodeSigning)
	b.device = b.ca.Issue(tlaURN, x509.ExtKeyUsageClientAuth)
	b.cfg = bundle.Config{File: filepath.Join(b.dir, "bundle.p7m"), Anchors: []string{b.root},
		ARL:         filepath.Join(b.dir, "arl.pem"),
		Certificate: func() *tls.Certificate { return &b.device },
		Event:       func(e bundle.Event) error { b.events = append(b.events, e); return b.deaf },
	}
	return b
}

func (b *bed) arl() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: b.ca.Root.CRL()}))
}

// content is a good one.
func (b *bed) content(version uint64) *bundle.Content {
	root := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.ca.Root.Cert.Raw}))
	return &bundle.Content{Format: 1, Version: version, For: tlaURN, Issued: time.Now().UTC().Truncate(time.Second),
		Gateways: []string{"gw.example.invalid:8443"}, PdTs: []string{"urn:tlagate:cabinet:pdt:bureau"},
		Anchors: []bundle.Anchor{{PEM: root, Practices: []string{"*"}}}, ARLs: []string{b.arl()},
		Limits: bundle.Limits{Absolute: bundle.Duration(8 * time.Hour)}, Policy: []byte(`{"cards":[]}`)}
}

func (b *bed) sign(c *bundle.Content) []byte {
	b.t.Helper()
	der, err := bundle.Sign(c, &b.ops, time.Now())
	require.NoError(b.t, err)
	return der
}

// answers is what a gateway brings about the signer.
func (b *bed) answers(opts ...pkitest.OCSPOption) [][]byte {
	return [][]byte{b.ca.Issuing.OCSP(b.ops.Leaf, opts...)}
}

// first returns the device its first bundle, as Fetch does without a network.
func (b *bed) first(version uint64) *bundle.Kept {
	b.t.Helper()
	k, err := bundle.Prepare(b.cfg)
	require.NoError(b.t, err)
	changed, err := k.Take(b.sign(b.content(version)), b.answers())
	require.NoError(b.t, err)
	require.True(b.t, changed)
	return k
}

// start is a start of the program.
func (b *bed) start() (*bundle.Kept, error) { return bundle.Open(b.cfg) }

// brokenAt requires a refusal that names a file and a reason.
func brokenAt(t *testing.T, err error, file string, reason bundle.Reason) {
	t.Helper()
	var why *bundle.Broken
	require.ErrorAs(t, err, &why)
	require.Equal(t, reason, why.Reason, "%v", err)
	require.Equal(t, file, why.File)
	require.Contains(t, err.Error(), file)
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(file, data, 0o600))
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	return data
}

func openTrust(t *testing.T, files pkitest.Files) *trust.Trust {
	trust, err := trust.Open(trust.Config{
		Anchors:    []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Revocation: revocation.Config{CRLs: files.CRLs()},
	})
	require.NoError(t, err)
	return trust
}
