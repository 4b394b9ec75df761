package trust_test

import (
	"bytes"
	"crypto/x509"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// FuzzVerify spoils the content of a good leaf. With the old signature, nothing may be accepted but what the CA signed;
// with a new one by the CA, it must still be judged without a panic. (Each fuzzing process has its own keys, so the
// input says how to spoil the leaf, and is no certificate.)
func FuzzVerify(f *testing.F) {
	w := bed.New(f)
	store := w.Open()
	good := pkitest.Chain(w.Issue(bed.TLA1, bed.AsClient))
	_, err := store.Verify(good, trust.Want{Usage: bed.AsClient})
	require.NoError(f, err)
	tbs := good[0].RawTBSCertificate
	for at := range uint16(len(tbs)) {
		f.Add(at, uint8(1), []byte{tbs[at] ^ 1}, at%2 == 0)
	}
	f.Add(uint16(0), uint8(0), []byte{}, false)
	f.Fuzz(func(t *testing.T, at uint16, cut uint8, put []byte, again bool) {
		spoilt := bed.Splice(tbs, int(at), int(cut), put)
		der := bytes.Replace(good[0].Raw, tbs, spoilt, 1)
		if again {
			der = w.Issuing.Sign(t, spoilt)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		verdict, err := store.Verify([]*x509.Certificate{leaf, good[1]}, trust.Want{Usage: bed.AsClient})
		require.NotNil(t, verdict)
		if err != nil {
			require.NotEmpty(t, pki.ReasonOf(err))
			return
		}
		require.True(t, again || bytes.Equal(tbs, spoilt), "accepted what the CA did not sign")
		require.NotZero(t, verdict.Identity)
	})
}
