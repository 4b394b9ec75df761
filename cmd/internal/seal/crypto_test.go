//go:build unix

package seal

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// TestG5RGSIsForeseen: what the bundle beside the file brings counts for all that comes before it is judged.
func TestG5RGSIsForeseen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bundle.p7m")
	s := Seal{Bundle: cli.Path(file)}
	require.Equal(t, pki.CryptoDefault, s.Foreseen(), "there is none")
	require.NoError(t, os.WriteFile(file, strictBundle(t), 0o600))
	require.Equal(t, pki.CryptoRGS, s.Foreseen())
}

// strictBundle returns a bundle that brings crypto: rgs.
func strictBundle(t *testing.T) []byte {
	t.Helper()
	ca := pkitest.New(t)
	ops := ca.Issue("urn:tlagate:operateur:admin:ops", x509.ExtKeyUsageCodeSigning)
	armour := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	content := &bundle.Content{Format: 1, Version: 1, For: "urn:tlagate:cabinet:tla:valise", Crypto: pki.CryptoRGS,
		Issued: time.Now().UTC().Truncate(time.Second), Gateways: []string{"gw.example.invalid:8443"},
		PdTs:    []string{"urn:tlagate:cabinet:pdt:bureau"},
		Anchors: []bundle.Anchor{{PEM: armour("CERTIFICATE", ca.Root.Cert.Raw), Practices: []string{"*"}}},
		ARLs:    []string{armour("X509 CRL", ca.Root.CRL())},
		Limits:  bundle.Limits{Absolute: bundle.Duration(8 * time.Hour)}, Policy: []byte(`{"cards":[]}`)}
	der, err := bundle.Sign(content, &ops, time.Now())
	require.NoError(t, err)
	return der
}

// TestG5RGSWaitsForNoFIFO: an account cannot have root's command wait by what it puts in the bundle's place.
func TestG5RGSWaitsForNoFIFO(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bundle.p7m")
	require.NoError(t, syscall.Mkfifo(file, 0o600))
	require.Equal(t, pki.CryptoDefault, Seal{Bundle: cli.Path(file)}.Foreseen())
}
