package integration

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

// TestCPS3WithOpenSC: OpenSC's own driver for the IAS-ECC family takes the simulated CPS3 for one of its cards, reads
// its PKCS#15 and has it sign for an authentication. (OpenSC 0.23 with OpenSSL 3 cannot have it hash.)
func TestCPS3WithOpenSC(t *testing.T) {
	t.Parallel()
	c, err := cardsim.NewCPS3(cardsim.CPSConfig{})
	require.NoError(t, err)
	p := startPCSCD(t, "terminal")
	insert(t, p, 1, c)
	t.Run("certificates", func(t *testing.T) {
		for number, ref := range map[string]byte{"01": cardsim.KeyCPSSignature, "02": cardsim.KeyCPSAuthentication} {
			der := tool(t, p, "pkcs11-tool", "--read-object", "--type", "cert", "--id", cps3ID(number))
			cert, err := x509.ParseCertificate([]byte(der))
			require.NoError(t, err)
			require.True(t, cert.Equal(c.Certificate(ref)), "certificate of %X", ref)
		}
	})
	if forgetsIASPINs(t, p) {
		t.Skip("OpenSC since 0.24 forgets the PIN of an IAS-ECC card while it reads it, and cannot verify it")
	}
	digest := sha256.Sum256([]byte(message))
	public := c.Certificate(cardsim.KeyCPSAuthentication).PublicKey.(*rsa.PublicKey)
	t.Run("the card authenticates", func(t *testing.T) {
		in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
		info, _ := hex.DecodeString("3031300D060960864801650304020105000420")
		require.NoError(t, os.WriteFile(in, append(info, digest[:]...), 0o600))
		tool(t, p, "pkcs11-tool", "--sign", "--mechanism", "RSA-PKCS", "--id", cps3ID("02"), "--login", "--pin", "1234",
			"--input-file", in, "--output-file", out)
		sig, err := os.ReadFile(out)
		require.NoError(t, err)
		require.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], sig))
		require.Contains(t, ran(c.History()), "00880000")
	})
	t.Run("not without the PIN", func(t *testing.T) {
		_, err := signature(t, p, "--mechanism", "SHA256-RSA-PKCS", "--id", cps3ID("02"), "--login", "--pin", "9999")
		require.ErrorContains(t, err, "CKR_PIN_INCORRECT")
	})
}

// forgetsIASPINs reports whether OpenSC has a fault of its own: since 0.24 (its commit 6d460d500) iasecc_sdo_parse
// takes the length of each object that it has read for an error, so that no PIN of such a card can be verified.
func forgetsIASPINs(t *testing.T, p *world.PCSCD) bool {
	t.Helper()
	var minor int
	_, err := fmt.Sscanf(tool(t, p, "opensc-tool", "--info"), "OpenSC 0.%d.", &minor)
	require.NoError(t, err)
	return minor >= 24
}

// cps3ID returns the identifier of a key of the simulated CPS3, as OpenSC's programs want it.
func cps3ID(number string) string { return strings.ToLower(cardsim.AIDCPS) + number }

// ran returns the headers of the commands that a card executed with success.
func ran(history []cardsim.Exchange) (headers []string) {
	for _, e := range history {
		if e.Status == 0x9000 || e.Status>>8 == 0x61 {
			headers = append(headers, strings.ToUpper(hex.EncodeToString([]byte{e.CLA, e.INS, e.P1, e.P2})))
		}
	}
	return headers
}
