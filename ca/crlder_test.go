package ca

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestCRLIsThatOfTheStandardLibrary: what is signed is, byte for byte, what crypto/x509 would have signed.
func TestCRLIsThatOfTheStandardLibrary(t *testing.T) {
	cas := map[KeyKind]authority{}
	for _, kind := range []KeyKind{P256, P384, RSA3072} {
		key, err := GenerateKey(kind)
		require.NoError(t, err)
		a, err := makeRoot(InitConfig{Settings: Settings{}.withDefaults(), RootKey: kind}, key, time.Now())
		require.NoError(t, err)
		cas[kind] = a
	}
	moments := rapid.Int64Range(time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC).Unix())
	rapid.Check(t, func(t *rapid.T) {
		by := cas[rapid.SampledFrom([]KeyKind{P256, P384, RSA3072}).Draw(t, "key")]
		begin := time.Unix(moments.Draw(t, "thisUpdate"), 0)
		l := &List{
			Number:     rapid.Int64Range(0, 1<<62).Draw(t, "number"),
			ThisUpdate: begin, NextUpdate: begin.Add(time.Duration(rapid.IntRange(0, 1e9).Draw(t, "life")) * time.Second),
		}
		ours, theirs := newCRLEntries(0), []x509.RevocationListEntry(nil)
		for range rapid.IntRange(0, 300).Draw(t, "entries") {
			octets := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "serial")
			e := x509.RevocationListEntry{
				SerialNumber:   new(big.Int).SetBytes(octets),
				RevocationTime: time.Unix(moments.Draw(t, "revoked"), 0), ReasonCode: rapid.IntRange(0, 10).Draw(t, "reason"),
			}
			require.NoError(t, ours.add(e.SerialNumber, e.RevocationTime, e.ReasonCode))
			theirs = append(theirs, e)
		}
		require.NoError(t, l.sign(by.cert, by.key, ours.der))
		want, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(l.Number), ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, RevokedCertificateEntries: theirs,
		}, by.cert, by.key)
		require.NoError(t, err)
		require.Equal(t, unsigned(t, want), unsigned(t, l.DER))
		read, err := x509.ParseRevocationList(l.DER)
		require.NoError(t, err)
		require.NoError(t, read.CheckSignatureFrom(by.cert))
	})
}

// unsigned gives a CertificateList without its signature.
func unsigned(t require.TestingT, der []byte) [2][]byte {
	var list struct{ TBS, Algorithm, Signature asn1.RawValue }
	rest, err := asn1.Unmarshal(der, &list)
	require.NoError(t, err)
	require.Empty(t, rest)
	return [2][]byte{list.TBS.FullBytes, list.Algorithm.FullBytes}
}

func TestOpenSSLReadsTheCRL(t *testing.T) {
	c := newCA(t)
	issued := issueTLA(t, c, terminal)
	_, err := c.Revoke(Selection{Serial: issued.Serial}, KeyCompromise)
	require.NoError(t, err)
	_, err = c.PublishCRL()
	require.NoError(t, err)
	out, err := exec.Command("openssl", "crl", "-in", c.Public("crl.pem"), "-noout", "-text", "-CAfile", c.Public("issuing.crt")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"verify OK", "Key Compromise", "X509v3 CRL Number: \n                2"} {
		require.Contains(t, string(out), want)
	}
}
