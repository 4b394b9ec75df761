package crlwriter_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/ca/crlwriter"
	"tlagate/keys"
)

// TestCRLIsThatOfTheStandardLibrary: what is signed is, byte for byte, what crypto/x509 would have signed.
func TestCRLIsThatOfTheStandardLibrary(t *testing.T) {
	kinds := []string{"p256", "p384", "rsa3072"}
	cas := map[string]authority{}
	for _, kind := range kinds {
		cas[kind] = newAuthority(t, kind)
	}
	first, last := time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2060, 1, 1, 0, 0, 0, 0, time.UTC)
	moments := rapid.Int64Range(first.Unix(), last.Unix())
	rapid.Check(t, func(t *rapid.T) {
		by := cas[rapid.SampledFrom(kinds).Draw(t, "key")]
		begin := time.Unix(moments.Draw(t, "thisUpdate"), 0)
		h := crlwriter.Header{
			Number:     rapid.Int64Range(0, 1<<62).Draw(t, "number"),
			ThisUpdate: begin, NextUpdate: begin.Add(time.Duration(rapid.IntRange(0, 1e9).Draw(t,
				"life")) * time.Second),
		}
		ours, theirs := crlwriter.NewEntries(0), []x509.RevocationListEntry(nil)
		for range rapid.IntRange(0, 300).Draw(t, "entries") {
			octets := rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(t, "serial")
			e := x509.RevocationListEntry{
				SerialNumber:   new(big.Int).SetBytes(octets),
				RevocationTime: time.Unix(moments.Draw(t, "revoked"), 0), ReasonCode: rapid.IntRange(0, 10).Draw(t,
					"reason"),
			}
			require.NoError(t, ours.Add(e.SerialNumber, e.RevocationTime, e.ReasonCode))
			theirs = append(theirs, e)
		}
		require.Equal(t, len(theirs), ours.Len())
		der, err := h.Sign(by.cert, by.key, ours)
		require.NoError(t, err)
		want, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(h.Number), ThisUpdate: h.ThisUpdate, NextUpdate: h.NextUpdate,
			RevokedCertificateEntries: theirs,
		}, by.cert, by.key)
		require.NoError(t, err)
		require.Equal(t, unsigned(t, want), unsigned(t, der))
		read, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		require.NoError(t, read.CheckSignatureFrom(by.cert))
	})
}

type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

func newAuthority(t *testing.T, kind string) authority {
	key, err := keys.New(kind)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "TEST"},
		NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return authority{cert, key}
}

// TestOnlyKeysOfACA: a list is signed with what a CA may have, and nothing else.
func TestOnlyKeysOfACA(t *testing.T) {
	by := newAuthority(t, "p256")
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	_, err = crlwriter.Header{}.Sign(by.cert, key, crlwriter.NewEntries(0))
	require.ErrorContains(t, err, "cannot sign a list")
}

// unsigned returns a CertificateList without its signature.
func unsigned(t require.TestingT, der []byte) [2][]byte {
	var list struct{ TBS, Algorithm, Signature asn1.RawValue }
	rest, err := asn1.Unmarshal(der, &list)
	require.NoError(t, err)
	require.Empty(t, rest)
	return [2][]byte{list.TBS.FullBytes, list.Algorithm.FullBytes}
}
