package cli

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/keys/keystest"
	_ "tlagate/keys/pkcs11"
)

// certify writes a certificate with a serial number for the key of a spec.
func certify(t *testing.T, file string, s keys.Spec, serial int64) {
	key, err := keys.Open(s, keys.Config{})
	require.NoError(t, err)
	defer key.Close()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now(),
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

func remake(t *testing.T, s keys.Spec) {
	if err := keys.Erase(s, keys.Config{}); err != nil {
		require.ErrorContains(t, err, "no such key pair")
	}
	key, err := keys.Generate(s, "", keys.Config{})
	require.NoError(t, err)
	require.NoError(t, key.Close())
}

// TestWhatIsMissingSaysHowToGetIt: a new machine has neither key nor certificate.
func TestWhatIsMissingSaysHowToGetIt(t *testing.T) {
	dir := t.TempDir()
	id := Identity{Cert: Path(filepath.Join(dir, "k.crt")), Key: keys.Spec(filepath.Join(dir, "k.key"))}
	_, err := id.Open()
	require.ErrorContains(t, err, "run the command enroll")
	_, err = id.OpenOrAll()
	faults := FaultsOf(err)
	require.Len(t, faults, 2)
	for _, fault := range faults {
		require.ErrorContains(t, fault, "run the command enroll")
	}
	remake(t, id.Key)
	_, err = id.Open()
	require.ErrorContains(t, err, "k.crt: no such file or directory: run the command enroll")
	certify(t, string(id.Cert), id.Key, 1)
	id.WrappingKey = Path(filepath.Join(dir, "none"))
	_, err = id.Open()
	require.NotContains(t, fmt.Sprint(err), "enroll", "key and certificate are there")
}

// TestG2ReloadKeepsHardwareOpen: a new certificate of the same key opens nothing; a new key is opened.
func TestG2ReloadKeepsHardwareOpen(t *testing.T) {
	dir := t.TempDir()
	token, device := keystest.NewToken(t), keystest.NewTPM(t)
	for name, spec := range map[string]keys.Spec{
		"pkcs11": keys.Spec(token.URI("k")),
		"tpm":    keys.Spec("tpm:" + filepath.Join(dir, "k.tpm") + "?device=" + device),
	} {
		t.Run(name, func(t *testing.T) {
			cert := filepath.Join(dir, "k.crt")
			remake(t, spec)
			certify(t, cert, spec, 1)
			loaded := 0
			k, err := Identity{Cert: Path(cert), Key: spec}.OpenWith(keys.Config{Event: func(keys.Event) { loaded++ }})
			require.NoError(t, err)
			defer k.Close()

			certify(t, cert, spec, 2)
			require.NoError(t, k.Reload())
			require.Equal(t, int64(2), k.Certificate().Leaf.SerialNumber.Int64())
			require.Equal(t, 1, loaded, "the key stays open")

			remake(t, spec)
			require.Error(t, k.Reload(), "the certificate is that of the old key")
			certify(t, cert, spec, 3)
			require.NoError(t, k.Reload())
			require.Equal(t, int64(3), k.Certificate().Leaf.SerialNumber.Int64())
		})
	}
}
