package keys_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/keys"
	"tlagate/pki/pkitest"
)

// pair reads a certificate with a key file.
func pair(cert, key string) (*tls.Certificate, error) {
	k, err := keys.Open(keys.Spec(key), keys.Config{})
	if err != nil {
		return nil, err
	}
	return keys.LoadCertificate(cert, k)
}

func TestLoadCertificate(t *testing.T) {
	dir, authority := t.TempDir(), pkitest.New(t)
	issue := func(name string) (cert, key string) {
		return pkitest.WriteCertificate(t, dir, name, authority.Issue("urn:tlagate:cab1:tla:"+name,
			x509.ExtKeyUsageClientAuth))
	}
	cert, key := issue("t1")
	_, otherKey := issue("t2")
	got, err := pair(cert, key)
	require.NoError(t, err)
	require.Len(t, got.Certificate, 2)
	require.Equal(t, "urn:tlagate:cab1:tla:t1", got.Leaf.URIs[0].String())

	_, err = pair(cert, otherKey)
	require.ErrorContains(t, err, "does not match")
	_, err = pair(cert, filepath.Join(dir, "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = pair(filepath.Join(dir, "none"), key)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = pair(key, key)
	require.ErrorContains(t, err, key+": line 1: it holds a private key, want CERTIFICATE alone")
	text, err := os.ReadFile(cert)
	require.NoError(t, err)
	second := bytes.LastIndex(text, []byte("-----BEGIN"))
	for name, damaged := range map[string][]byte{
		"byte order mark before the leaf": append([]byte("\ufeff"), text...),
		"the CA is cut short":             text[:second+100],
		"the CA is not base64":            bytes.Replace(text, text[second+40:second+41], []byte("*"), -1),
	} {
		require.NoError(t, os.WriteFile(cert, damaged, 0o644))
		_, err = pair(cert, key)
		require.ErrorContains(t, err, cert+": line ", name)
	}
}
