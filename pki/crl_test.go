package pki_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// The index must say what crypto/x509 says of the same list.
func TestCRLIndexAgreesWithX509(t *testing.T) {
	w := newWorld(t)
	for _, n := range []int{0, 1, 2, 3, 1000} {
		der := w.Issuing.CRL(pkitest.CRLEntries(n))
		std, err := x509.ParseRevocationList(der)
		require.NoError(t, err)
		ours, err := pki.ParseCRLs(der)
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
	w := newWorld(t)
	serials := []*big.Int{big.NewInt(1), big.NewInt(127), big.NewInt(128), big.NewInt(255), big.NewInt(256),
		new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 160), big.NewInt(1))}
	for _, s := range serials {
		w.Issuing.Revoke(&x509.Certificate{SerialNumber: s})
	}
	ours, err := pki.ParseCRLs(w.Issuing.CRL())
	require.NoError(t, err)
	for _, s := range serials {
		require.True(t, ours.Has(s), "%v", s)
	}
	require.False(t, ours.Has(big.NewInt(129)))
}

func TestCRLTruncated(t *testing.T) {
	w := newWorld(t)
	der := w.Issuing.CRL(pkitest.CRLEntries(2), pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a.example/crl"}))
	for n := range der {
		_, err := pki.ParseCRLs(der[:n])
		require.Error(t, err, "%d bytes", n)
	}
	_, err := pki.ParseCRLs(append(der, 0))
	require.Error(t, err, "a byte too many")
}

func FuzzParseCRL(f *testing.F) {
	w := newWorld(f)
	w.Issuing.Revoke(w.Issue(tla1, asClient).Leaf)
	for _, opts := range [][]pkitest.CRLOption{
		nil, {pkitest.CRLEntries(3)}, {pkitest.CRLDelta(1)}, {pkitest.CRLNoNextUpdate()}, {pkitest.CRLNumber(-1)},
		{pkitest.CRLWithIDP(pkitest.IDP{URL: "http://a/", OnlyUser: true, SomeReasons: true})}, {pkitest.CRLEntryExtension(entryIssuer)},
	} {
		der := w.Issuing.CRL(opts...)
		index, err := pki.ParseCRLs(der)
		require.NoError(f, err)
		require.NotZero(f, index.Count(), "an empty seed is no seed")
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		index, err := pki.ParseCRLs(der)
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

// FuzzVerify spoils the content of a good leaf. Signed as it was, nothing may be accepted but what the CA signed; signed
// anew by the CA, it must still be judged in order. (Each fuzzing process has keys of its own, so the input says how to
// spoil and is no certificate.)
func FuzzVerify(f *testing.F) {
	w := newWorld(f)
	trust := w.open()
	good := pkitest.Chain(w.Issue(tla1, asClient))
	_, err := trust.Verify(good, pki.Want{Usage: asClient})
	require.NoError(f, err)
	tbs := good[0].RawTBSCertificate
	for at := range uint16(len(tbs)) {
		f.Add(at, uint8(1), []byte{tbs[at] ^ 1}, at%2 == 0)
	}
	f.Add(uint16(0), uint8(0), []byte{}, false)
	f.Fuzz(func(t *testing.T, at uint16, cut uint8, put []byte, again bool) {
		spoilt := splice(tbs, int(at), int(cut), put)
		der := bytes.Replace(good[0].Raw, tbs, spoilt, 1)
		if again {
			der = w.Issuing.Sign(t, spoilt)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		verdict, err := trust.Verify([]*x509.Certificate{leaf, good[1]}, pki.Want{Usage: asClient})
		require.NotNil(t, verdict)
		if err != nil {
			require.NotEmpty(t, pki.ReasonOf(err))
			return
		}
		require.True(t, again || bytes.Equal(tbs, spoilt), "accepted what the CA did not sign")
		require.NotZero(t, verdict.Identity)
	})
}

// splice cuts bytes out at a place and puts others there.
func splice(b []byte, at, cut int, put []byte) []byte {
	at = min(at, len(b))
	return slices.Concat(b[:at], put, b[min(at+cut, len(b)):])
}

func FuzzServerHello(f *testing.F) {
	f.Add(serverHello(0x1301, 0x0304))
	f.Add(serverHello(0xc02b, 0))
	f.Fuzz(func(t *testing.T, stream []byte) { pki.ParseServerHello(stream) })
}
