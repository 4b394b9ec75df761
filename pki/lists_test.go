package pki_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
)

func TestListsSayWhatIsAtHand(t *testing.T) {
	ca, dir := pkitest.New(t), t.TempDir()
	files := ca.WriteTrust(dir)
	pkitest.WriteCRL(t, files.CRL, ca.Issuing.CRL(pkitest.CRLStale()))
	broken := dir + "/broken.crl"
	require.NoError(t, os.WriteFile(broken, []byte("not a CRL"), 0o600))
	trust, err := pki.OpenTrust(pki.TrustConfig{
		Anchors: []pki.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}}, Intermediates: []string{files.Intermediate},
		CRLs: []string{files.ARL, files.CRL, broken, dir + "/missing.crl"},
	})
	require.NoError(t, err)
	reasons := map[string]pki.Reason{}
	for _, l := range trust.Lists() {
		reasons[l.Source] = pki.ReasonOf(l.Err)
		if l.Source == files.ARL {
			require.Equal(t, "TEST tlagate root", l.Issuer)
			require.Equal(t, "1", l.Number)
			require.True(t, l.NextUpdate.After(time.Now()))
		}
	}
	require.Equal(t, map[string]pki.Reason{files.ARL: "", files.CRL: pki.CRLStale,
		"CRL " + broken: pki.CRLBad, "CRL " + dir + "/missing.crl": pki.CRLMissing}, reasons)
}
