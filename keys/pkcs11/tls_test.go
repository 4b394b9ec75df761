//go:build cgo

package pkcs11_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/keys/keystest"
)

// TestSP2HandshakeWithEveryBackend: wherever a key is, it signs a TLS 1.3 handshake of either side.
func TestSP2HandshakeWithEveryBackend(t *testing.T) {
	token, dir := keystest.NewToken(t), t.TempDir()
	tpm := "tpm:" + filepath.Join(dir, "NAME.tpm") + "?device=" + keystest.NewTPM(t)
	wrap := filepath.Join(dir, "wrap")
	require.NoError(t, os.WriteFile(wrap, []byte(strings.Repeat("w", 44)), 0o600))
	for name, c := range map[string]struct {
		spec   string
		kinds  []string
		config keys.Config
	}{
		"file":           {filepath.Join(dir, "NAME.key"), []string{"p256", "p384", "rsa3072"}, keys.Config{}},
		"encrypted file": {filepath.Join(dir, "NAME.enc"), []string{"p256"}, keys.Config{WrappingKey: wrap}},
		"pkcs11":         {token.URI("NAME"), []string{"p256", "p384", "rsa3072"}, keys.Config{}},
		"tpm":            {tpm, []string{"p256", "p384"}, keys.Config{}},
	} {
		for _, kind := range c.kinds {
			t.Run(name+" "+kind, func(t *testing.T) {
				key, err := keys.Generate(keys.Spec(strings.Replace(c.spec, "NAME", kind, 1)), kind, c.config)
				require.NoError(t, err)
				defer key.Close()
				handshake(t, certify(t, dir, key))
			})
		}
	}
}

// certify returns a certificate that the key signed itself.
func certify(t *testing.T, dir string, key keys.Key) *tls.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(1),
		Subject: pkix.Name{CommonName: "k"}, DNSNames: []string{"k"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(dir, "k.crt")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	pair, err := keys.LoadCertificate(file, key)
	require.NoError(t, err)
	return pair
}

func handshake(t *testing.T, pair *tls.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(pair.Leaf)
	config := &tls.Config{Certificates: []tls.Certificate{*pair}, MinVersion: tls.VersionTLS13, ServerName: "k",
		RootCAs: roots, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	done := make(chan error, 1)
	go func() { done <- tls.Server(server, config).Handshake() }()
	require.NoError(t, tls.Client(client, config).Handshake())
	require.NoError(t, <-done)
}
