package trust_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
)

// TestC2CoverageSaysWhatIsMissing: before any peer is refused, it says by which source certificates of each CA would be
// accepted.
func TestC2CoverageSaysWhatIsMissing(t *testing.T) {
	ca := pkitest.New(t)
	files := ca.WriteTrust(t.TempDir())
	leaf := ca.Issue("urn:tlagate:cab1:tla:t1", x509.ExtKeyUsageClientAuth)
	responder := ca.Issuing.ServeOCSP(t)
	chain := []*x509.Certificate{leaf.Leaf, ca.Issuing.Cert}
	const issuing, root = "TEST tlagate issuing", "TEST tlagate root"
	look := func(ask bool, with func(*trust.Config), chains ...[]*x509.Certificate) map[string]revocation.Coverage {
		cfg := trust.Config{Anchors: []trust.AnchorFile{{File: files.Anchor, Practices: []string{"*"}}}}
		with(&cfg)
		trust, err := trust.Open(cfg)
		require.NoError(t, err)
		all := map[string]revocation.Coverage{}
		for _, c := range trust.Coverage(ask, chains...) {
			require.NotContains(t, all, c.CA, "once each")
			all[c.CA] = c
		}
		return all
	}
	quoted := func(name string) string { return `"` + name + `"` }
	lists := func(names ...string) func(*trust.Config) {
		return func(c *trust.Config) { c.CRLs = names }
	}
	asking := func(c *trust.Config) { c.CRLs, c.OCSP.Responders = []string{files.ARL}, []string{responder.URL} }

	got := look(false, lists(files.ARL, files.CRL), chain)
	require.Len(t, got, 2)
	require.Equal(t, pki.SourceCRL, got[quoted(issuing)].Source)
	require.Equal(t, pki.SourceCRL, got[quoted(root)].Source)
	require.True(t, got[quoted(issuing)].Leaf)
	require.False(t, got[quoted(root)].Leaf)
	require.True(t, got[quoted(root)].Until.After(time.Now()))

	got = look(false, lists(files.ARL), chain)
	require.False(t, got[quoted(issuing)].Covered(), "an issuing CA without a list, and no responder to ask")
	require.False(t, got[quoted(issuing)].Listed)
	require.True(t, got[quoted(root)].Covered())
	require.False(t, look(false, lists(files.CRL), chain)[quoted(root)].Covered(), "no ARL")
	require.False(t, look(false, lists())[quoted(root)].Covered(), "nothing but an anchor")
	require.True(t, look(false, lists(files.ARL))[quoted(root)].Covered())
	got = look(false, func(c *trust.Config) {
		c.CRLs, c.Intermediates = []string{files.ARL},
			[]string{files.Intermediate}
	})
	require.False(t, got[quoted(issuing)].Covered(), "an intermediate issues, too")

	got = look(false, asking, chain)
	require.True(t, got[quoted(issuing)].Covered(), "it will be asked")
	require.Empty(t, got[quoted(issuing)].Source)
	require.Equal(t, pki.SourceOCSP, look(true, asking, chain)[quoted(issuing)].Source)
	responder.AnswerRaw(pkitest.OCSPError(2))
	got = look(true, asking, chain)
	require.False(t, got[quoted(issuing)].Covered(), "it was asked, and has failed")
	require.Equal(t, pki.OCSPError, pki.ReasonOf(got[quoted(issuing)].Silence))

	pkitest.WriteCRL(t, files.CRL, ca.Issuing.CRL(pkitest.CRLStale()))
	got = look(false, lists(files.ARL, files.CRL), chain)
	require.False(t, got[quoted(issuing)].Covered())
	require.True(t, got[quoted(issuing)].Listed, "its list is there, and no good")
	ca.Issuing.Revoke(leaf.Leaf)
	ca.WriteCRLs(files)
	require.True(t, look(false, lists(files.ARL, files.CRL), chain)[quoted(issuing)].Covered(), "revoked is an answer")
}
