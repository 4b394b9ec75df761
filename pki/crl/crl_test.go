package crl_test

import (
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki/crl"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
)

// The index must agree with crypto/x509 about the same list.
func TestCRLIndexAgreesWithX509(t *testing.T) {
	w := bed.New(t)
	for _, n := range []int{0, 1, 2, 3, 1000} {
		der := w.Issuing.CRL(pkitest.CRLEntries(n))
		std, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		ours, err := crl.ParseCRLs(der)
		require.NoError(t, err)
		require.True(t, ours.Usable())
		require.Equal(t, n, ours.Count())
		for _, e := range std.RevokedCertificateEntries {
			require.True(t, ours.Has(e.SerialNumber))
		}
		for range 100 {
			serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
			require.NoError(t, err)
			require.False(t, ours.Has(serial))
		}
	}
}

func TestCRLIndexOddSerials(t *testing.T) {
	w := bed.New(t)
	serials := []*big.Int{big.NewInt(1), big.NewInt(127), big.NewInt(128), big.NewInt(255), big.NewInt(256),
		new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 160), big.NewInt(1))}
	for _, s := range serials {
		w.Issuing.Revoke(&x509.Certificate{SerialNumber: s})
	}
	ours, err := crl.ParseCRLs(w.Issuing.CRL())
	require.NoError(t, err)
	for _, s := range serials {
		require.True(t, ours.Has(s), "%v", s)
	}
	require.False(t, ours.Has(big.NewInt(129)))
}

func TestCRLTruncated(t *testing.T) {
	w := bed.New(t)
	der := w.Issuing.CRL(pkitest.CRLEntries(2), pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a.example/crl"}))
	for n := range der {
		_, err := crl.ParseCRLs(der[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err := crl.ParseCRLs(append(der, 0))
	require.Error(t, err, "a byte too many")
}

func FuzzParseCRL(f *testing.F) {
	w := bed.New(f)
	w.Issuing.Revoke(w.Issue(bed.TLA1, bed.AsClient).Leaf)
	for _, opts := range [][]pkitest.CRLOption{
		nil, {pkitest.CRLEntries(3)}, {pkitest.CRLDelta(1)}, {pkitest.CRLNoNextUpdate()}, {pkitest.CRLNumber(-1)},
		{pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a/", OnlyUser: true, SomeReasons: true})},
		{pkitest.CRLEntryExtension(bed.EntryIssuer)},
	} {
		der := w.Issuing.CRL(opts...)
		index, err := crl.ParseCRLs(der)
		require.NoError(f, err)
		require.NotZero(f, index.Count(), "an empty seed is no seed")
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		index, err := crl.ParseCRLs(der)
		if err != nil {
			return
		}
		index.Has(big.NewInt(77))
		std, err := x509.ParseRevocationList(der)
		if err != nil || !index.Usable() {
			return
		}
		for _, e := range std.RevokedCertificateEntries {
			if e.SerialNumber.Sign() > 0 {
				require.True(t, index.Has(e.SerialNumber), "crypto/x509 finds %v", e.SerialNumber)
			}
		}
	})
}
