package pki_test

import (
	"bytes"
	"crypto/tls"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/internal/algorithms"
	"tlagate/pki"
)

// crypto/tls does not let TLS 1.3 suites be chosen: the allowlist must be what it offers.
func TestG5SuitesAreGosTLS13Suites(t *testing.T) {
	var gos []uint16
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS13) {
			gos = append(gos, s.ID)
		}
	}
	require.ElementsMatch(t, gos, pki.CryptoDefault.Suites())
}

func TestG5TablePrintsEverything(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, algorithms.Gather(pki.TLSAlgorithms(), pki.Algorithms()).Print(&out, algorithms.English))
	for _, word := range []string{"TLS 1.3", "TLS_AES_256_GCM_SHA384", "X25519MLKEM768", "SecP256r1MLKEM768",
		"ECDSA P-256", "RSA", "65537", "2048"} {
		require.Contains(t, out.String(), word)
	}
	for _, word := range []string{"SHA1", "P-224", "P-521", "CBC"} {
		require.NotContains(t, out.String(), word)
	}
}
