package ocsp

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
)

func writePEM(t *testing.T, file string, certs ...*x509.Certificate) string {
	var out []byte
	for _, cert := range certs {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})...)
	}
	require.NoError(t, os.WriteFile(file, out, 0o600))
	return file
}

// TestC2OpenSSL: openssl ocsp, which checks signature, signer, nonce and dates, accepts every kind of answer.
func TestC2OpenSSL(t *testing.T) {
	b := newBed(t)
	_, url := b.serve()
	dir := t.TempDir()
	fine, stolen := b.tla("fine"), b.tla("stolen")
	b.revoke(stolen, store.KeyCompromise)
	issuer := writePEM(t, filepath.Join(dir, "issuer.pem"), b.ca.Issuing)
	anchors := writePEM(t, filepath.Join(dir, "anchors.pem"), b.ca.Root, b.ca.Issuing)
	fineFile, stolenFile := writePEM(t, filepath.Join(dir, "fine.pem"), fine), writePEM(t,
		filepath.Join(dir, "stolen.pem"), stolen)
	openssl := func(t *testing.T, args ...string) string {
		out, err := exec.Command("openssl", append([]string{"ocsp", "-CAfile", anchors}, args...)...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	for _, hash := range []string{"-sha1", "-sha256", "-sha384", "-sha512"} {
		for _, nonce := range []string{"-nonce", "-no_nonce"} {
			t.Run("C2 openssl "+hash+" "+nonce, func(t *testing.T) {
				// The hash is of the certificates that follow it.
				out := openssl(t, "-url", url, nonce, hash, "-issuer", issuer, "-cert", fineFile, hash, "-cert",
					stolenFile, hash, "-serial", "0x4711")
				require.Contains(t, out, "Response verify OK")
				require.Contains(t, out, fineFile+": good")
				require.Contains(t, out, stolenFile+": revoked")
				require.Contains(t, out, "Reason: keyCompromise")
				require.Contains(t, out, "0x4711: unknown")
				require.NotContains(t, out, "WARNING")
			})
		}
	}
	t.Run("C2 openssl on a GET", func(t *testing.T) {
		request, answer := filepath.Join(dir, "q.der"), filepath.Join(dir, "a.der")
		openssl(t, "-no_nonce", "-issuer", issuer, "-cert", stolenFile, "-reqout", request)
		der, err := os.ReadFile(request)
		require.NoError(t, err)
		_, body := do(t, http.MethodGet, url+"/"+base64.StdEncoding.EncodeToString(der), nil, nil)
		require.NoError(t, os.WriteFile(answer, body, 0o600))
		out := openssl(t, "-respin", answer, "-issuer", issuer, "-cert", stolenFile, "-no_nonce")
		require.Contains(t, out, "Response verify OK")
		require.Contains(t, out, stolenFile+": revoked")
	})
	t.Run("C2 openssl is told of a foreign issuer", func(t *testing.T) {
		root := writePEM(t, filepath.Join(dir, "root.pem"), b.ca.Root)
		out, err := exec.Command("openssl", "ocsp", "-CAfile", anchors, "-url", url, "-issuer", root, "-cert",
			issuer).CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "unauthorized (6)")
	})
}
