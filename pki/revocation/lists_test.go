package revocation_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

func TestListsSayWhatIsAtHand(t *testing.T) {
	ca, dir := pkitest.New(t), t.TempDir()
	files := ca.WriteTrust(dir)
	pkitest.WriteCRL(t, files.CRL, ca.Issuing.CRL(pkitest.CRLStale()))
	broken := dir + "/broken.crl"
	require.NoError(t, os.WriteFile(broken, []byte("not a CRL"), 0o600))
	trust, err := trust.Open(trust.Config{
		Anchors:       []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Intermediates: []string{files.Intermediate},
		Revocation:    revocation.Config{CRLs: []string{files.ARL, files.CRL, broken, dir + "/missing.crl"}},
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

// TestAListOfAStrangerIsTold: of a CA that nobody here named.
func TestAListOfAStrangerIsTold(t *testing.T) {
	ca, dir := pkitest.New(t), t.TempDir()
	files := ca.WriteTrust(dir)
	pkitest.WriteCRL(t, dir+"/foreign.crl", pkitest.NewPersons(t).Issuing.CRL())
	trust, err := trust.Open(trust.Config{
		Anchors:       []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}},
		Intermediates: []string{files.Intermediate},
		Revocation:    revocation.Config{CRLs: []string{files.ARL, files.CRL, dir + "/foreign.crl"}},
	})
	require.NoError(t, err)
	strange := map[string]bool{}
	for _, l := range trust.Lists() {
		require.NoError(t, l.Err)
		strange[l.Source] = l.Stranger
	}
	require.Equal(t, map[string]bool{files.ARL: false, files.CRL: false, dir + "/foreign.crl": true}, strange)
}

// TestAListThatWasReplacedIsNoLongerListed: the ARL of a file is superseded once a gateway has brought a newer one.
func TestAListThatWasReplacedIsNoLongerListed(t *testing.T) {
	ca, dir := pkitest.New(t), t.TempDir()
	files := ca.WriteTrust(dir)
	pkitest.WriteCRL(t, files.ARL, ca.Root.CRL(pkitest.CRLNumber(1), pkitest.CRLStale()))
	pkitest.WriteCRL(t, dir+"/newer", ca.Root.CRL(pkitest.CRLNumber(2)))
	open := func(lists ...string) []revocation.List {
		trust, err := trust.Open(trust.Config{
			Anchors: []trust.AnchorFile{{File: files.Anchor,
				Practices: []string{"*"}}},
			Revocation: revocation.Config{CRLs: lists},
		})
		require.NoError(t, err)
		return trust.Lists()
	}
	got := open(files.ARL, dir+"/newer")
	require.Len(t, got, 1)
	require.Equal(t, "2", got[0].Number)
	require.NoError(t, got[0].Err)
	require.Equal(t, pki.CRLStale, pki.ReasonOf(open(files.ARL)[0].Err))
	pkitest.WriteCRL(t, dir+"/newer", ca.Root.CRL(pkitest.CRLNumber(2), pkitest.CRLBadSignature()))
	require.Len(t, open(files.ARL, dir+"/newer"), 2, "what is no good replaces nothing")
}
