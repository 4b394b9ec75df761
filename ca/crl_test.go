package ca

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
)

func TestC2CRL(t *testing.T) {
	c := newCA(t)
	reasons := map[string]store.Reason{}
	for _, name := range store.ReasonNames() {
		code, err := store.ParseReason(name)
		require.NoError(t, err)
		issued := issueTLA(t, c, "urn:tlagate:cab1:tla:t"+code.String()[:1]+string(rune('a'+int(code))))
		_, err = c.Revocations.Revoke(Selection{Serial: issued.Serial}, code)
		require.NoError(t, err)
		reasons[issued.Serial] = code
	}
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	lintList(t, list)
	parsed := published(t, c, "crl")
	require.Equal(t, list.DER, parsed.Raw)
	require.NoError(t, parsed.CheckSignatureFrom(c.Issuing))
	require.Equal(t, c.Issuing.SubjectKeyId, parsed.AuthorityKeyId)
	require.Equal(t, 26*time.Hour, parsed.NextUpdate.Sub(parsed.ThisUpdate))
	require.Len(t, parsed.RevokedCertificateEntries, len(reasons))
	for _, entry := range parsed.RevokedCertificateEntries {
		require.Equal(t, int(reasons[store.FormatSerial(entry.SerialNumber)]), entry.ReasonCode)
		require.Equal(t, entry.ReasonCode == 0, len(entry.Extensions) == 0, "unspecified is left out (RFC 5280, 5.3.1)")
	}
}

// published reads what a web server would show, in both forms.
func published(t *testing.T, c *CA, name string) *x509.RevocationList {
	der, err := os.ReadFile(c.Public(name + ".der"))
	require.NoError(t, err)
	text, err := os.ReadFile(c.Public(name + ".pem"))
	require.NoError(t, err)
	block, rest := pem.Decode(text)
	require.NotNil(t, block)
	require.Equal(t, "X509 CRL", block.Type)
	require.Empty(t, rest)
	require.Equal(t, der, block.Bytes)
	parsed, err := x509.ParseRevocationList(der)
	require.NoError(t, err)
	return parsed
}

func TestNumbersRiseByOne(t *testing.T) {
	c := newCA(t)
	require.Equal(t, int64(1), published(t, c, "crl").Number.Int64())
	require.Equal(t, int64(1), published(t, c, "arl").Number.Int64())
	for n := int64(2); n < 6; n++ {
		_, err := openCA(t, c.dir, Options{}).Lists.PublishCRL()
		require.NoError(t, err)
		require.Equal(t, n, published(t, c, "crl").Number.Int64())
	}
	_, err := c.Lists.PublishARL()
	require.NoError(t, err)
	require.Equal(t, int64(2), published(t, c, "arl").Number.Int64(), "each issuer counts for itself")
}

// TestAClockGoneBackPublishesNothing: a list that begins before the last one would be refused by who has that.
//
// Fault: a clock jumps.
func TestAClockGoneBackPublishesNothing(t *testing.T) {
	c := newCA(t)
	c.time = func() time.Time { return time.Now().Add(-time.Hour) }
	before := published(t, c, "crl").Raw
	_, err := c.Lists.PublishCRL()
	require.ErrorContains(t, err, "set the clock")
	require.Equal(t, before, published(t, c, "crl").Raw)
}

func TestRevokeTwiceIsRefused(t *testing.T) {
	c := newCA(t)
	issued := issueTLA(t, c, terminal)
	first, err := c.Revocations.Revoke(Selection{Serial: issued.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	c.time = func() time.Time { return time.Now().Add(time.Hour) }
	_, err = c.Revocations.Revoke(Selection{Serial: issued.Serial}, 4)
	require.ErrorIs(t, err, store.ErrRevoked)
	require.ErrorIs(t, c.store.Revoke(first[0], 4, c.now()), store.ErrRevoked, "the database refuses too")
	again, err := c.Find(issued.Serial)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.Equal(t, "keyCompromise", again[0].Reason)
}

func TestRevokeByIdentity(t *testing.T) {
	c := newCA(t)
	old, new := issueTLA(t, c, terminal), issueTLA(t, c, terminal)
	other := issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
	_, err := c.Revocations.Revoke(Selection{Serial: old.Serial}, 4)
	require.NoError(t, err)
	revoked, err := c.Revocations.Revoke(Selection{Identity: terminal}, store.KeyCompromise)
	require.NoError(t, err)
	require.Len(t, revoked, 1)
	require.Equal(t, new.Serial, revoked[0].Serial)
	_, err = c.Revocations.Revoke(Selection{Identity: terminal}, store.KeyCompromise)
	require.ErrorContains(t, err, "none of the 2 certificates of ")
	records, err := c.Find(other.Serial)
	require.NoError(t, err)
	require.Equal(t, store.Good, records[0].Status)
}

func TestRevokeByCertificate(t *testing.T) {
	c, other := newCA(t), newCA(t)
	issued := issueTLA(t, c, terminal)
	foreign := *issueTLA(t, other, terminal).Certificate
	_, err := c.Revocations.Revoke(Selection{Certificate: &foreign}, 4)
	require.ErrorContains(t, err, "cannot find")
	foreign.SerialNumber = issued.Certificate.SerialNumber
	_, err = c.Revocations.Revoke(Selection{Certificate: &foreign}, 4)
	require.ErrorContains(t, err, "this CA did not issue it")
	_, err = c.Revocations.Revoke(Selection{Certificate: issued.Certificate}, 4)
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{}, 4)
	require.ErrorContains(t, err, "name one of")
	_, err = c.Revocations.Revoke(Selection{Serial: issued.Serial}, 8)
	require.ErrorContains(t, err, "cannot revoke for reason 8")
}

func TestRevokedIssuingCA(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, terminal)
	_, err := c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.CACompromise)
	require.NoError(t, err)
	list, err := c.Lists.PublishARL()
	require.NoError(t, err)
	lintList(t, list)
	arl := published(t, c, "arl")
	require.NoError(t, arl.CheckSignatureFrom(c.Root))
	require.Equal(t, 183*24*time.Hour+2*time.Hour, arl.NextUpdate.Sub(arl.ThisUpdate))
	require.Len(t, arl.RevokedCertificateEntries, 1)
	require.Equal(t, c.Issuing.SerialNumber, arl.RevokedCertificateEntries[0].SerialNumber)
	require.Equal(t, int(store.CACompromise), arl.RevokedCertificateEntries[0].ReasonCode)

	_, err = c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P256))})
	require.ErrorContains(t, err, "the issuing CA was revoked")
	_, err = c.Invitations.Invite(Guest{Identity: identity(t, "urn:tlagate:cab1:tla:t9")})
	require.ErrorContains(t, err, "cannot invite: the issuing CA was revoked")
	_, _, err = c.Invitations.Replace(Guest{Identity: identity(t, terminal)}, store.KeyCompromise)
	require.ErrorContains(t, err, "cannot replace: the issuing CA was revoked")
	own, err := c.Own.List()
	require.NoError(t, err)
	require.Equal(t, store.Revoked, own[1].Status)
	list, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Zero(t, list.Entries, "an issuing CA is the root's to revoke")
}

// An entry is on one list after its certificate's end, then gone (RFC 5280, 3.3).
func TestEntriesOutliveTheirCertificate(t *testing.T) {
	c := newCA(t)
	issued, err := c.Certificates.Issue(Request{Profile: "tla", Identity: identity(t, terminal),
		CSR: requestFor(t, newKey(t, P256)), Days: 1})
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Serial: issued.Serial}, 4)
	require.NoError(t, err)
	for day, want := range []int{1, 1, 0} {
		c.time = func() time.Time { return time.Now().AddDate(0, 0, day) }
		list, err := c.Lists.PublishCRL()
		require.NoError(t, err)
		require.Equal(t, want, list.Entries, "after %d days", day)
	}
}

func TestOpenSSLReadsTheCRL(t *testing.T) {
	c := newCA(t)
	issued := issueTLA(t, c, terminal)
	_, err := c.Revocations.Revoke(Selection{Serial: issued.Serial}, store.KeyCompromise)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	out, err := exec.Command("openssl", "crl", "-in", c.Public("crl.pem"), "-noout", "-text", "-CAfile",
		c.Public("issuing.crt")).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, want := range []string{"verify OK", "Key Compromise", "X509v3 CRL Number: \n                2"} {
		require.Contains(t, string(out), want)
	}
}
