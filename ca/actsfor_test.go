package ca

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca/store"
)

const officer = "urn:tlagate:op:admin:claire"

// lastLines returns the last lines of the CA's trace.
func lastLines(t *testing.T, c *CA, n int) (list []audit.Entry) {
	for line, err := range audit.Read(AuditFile(c.dir)) {
		require.NoError(t, err)
		require.NoError(t, line.Err)
		list = append(list, line.Entry)
	}
	require.GreaterOrEqual(t, len(list), n)
	return list[len(list)-n:]
}

// TestSP3TheTraceNamesTheOfficer: what is done for an officer is theirs, and no account's; other acts are an account's,
// by its name.
func TestSP3TheTraceNamesTheOfficer(t *testing.T) {
	c := newCA(t)
	issueTLA(t, c, terminal)
	own := lastLines(t, c, 1)[0]
	require.Equal(t, "tla-pki", own.By)
	require.NotEmpty(t, own.With["user"])

	theirs := c.For(officer)
	issueTLA(t, theirs, "urn:tlagate:cab1:tla:t2")
	_, err := theirs.Revocations.Revoke(Selection{Identity: terminal}, store.Hold)
	require.NoError(t, err)
	_, err = theirs.Revocations.Release(Selection{Identity: terminal})
	require.NoError(t, err)
	_, _, err = theirs.Invitations.Replace(guest(t, terminal), store.KeyCompromise)
	require.NoError(t, err)
	kinds := []audit.Kind{audit.CertificateIssued, audit.CertificateRevoked, audit.CertificateReleased,
		audit.CertificateRevoked}
	for i, e := range lastLines(t, c, len(kinds)) {
		require.Equal(t, kinds[i], e.Event)
		require.Equal(t, officer, e.By)
		require.NotContains(t, e.With, "user")
	}
	issueTLA(t, c, "urn:tlagate:cab1:tla:t3")
	require.Equal(t, "tla-pki", lastLines(t, c, 1)[0].By)
}

// TestSP3BooksKnowWhoIsGood: before any list does.
func TestSP3BooksKnowWhoIsGood(t *testing.T) {
	c := newCA(t)
	one := issueTLA(t, c, terminal)
	require.NoError(t, c.Holds(one.Certificate))
	require.Error(t, shifted(t, c, 1000*24*time.Hour).Holds(one.Certificate))
	_, err := c.Revocations.Revoke(Selection{Identity: terminal}, store.Hold)
	require.NoError(t, err)
	require.ErrorContains(t, c.Holds(one.Certificate), "revoked certificateHold")
	require.Error(t, c.Holds(&x509.Certificate{SerialNumber: one.Certificate.SerialNumber}))
	require.Error(t, newCA(t).Holds(one.Certificate))
}

// TestSP3AServerWaitsForWhoActsNow: nobody acts on a CA that a server has, nor half before and half after it came.
func TestSP3AServerWaitsForWhoActsNow(t *testing.T) {
	c := newCA(t)
	acting, end, came := make(chan struct{}), make(chan struct{}), make(chan func() error)
	go func() { _ = c.Unreserved(func() error { close(acting); <-end; return nil }) }()
	<-acting
	require.NoError(t, c.Unreserved(func() error { return nil }), "two at once")
	go func() {
		release, err := openCA(t, c.dir, Options{}).Reserve()
		if err != nil {
			t.Error(err)
		}
		came <- release
	}()
	select {
	case <-came:
		t.Fatal("it did not wait")
	default:
	}
	close(end)
	release := <-came
	require.ErrorIs(t, c.Unreserved(func() error { return nil }), ErrReserved)
	require.NoError(t, release())
	require.NoError(t, c.Unreserved(func() error { return nil }))
}

// TestSP3AnAdministratorEnrolsNoSignerOfBundles: neither with a code nor with their certificate.
func TestSP3AnAdministratorEnrolsNoSignerOfBundles(t *testing.T) {
	c := newCA(t)
	key := newKey(t, P256)
	code := invite(t, c, guest(t, officer))
	_, err := c.Enrolment.Enrol(code, "bundle", requestFor(t, key))
	require.Equal(t, WrongProfile, DeniedFor(err))
	first, err := c.Enrolment.Enrol(code, "", requestFor(t, key))
	require.NoError(t, err)
	require.Equal(t, "admin", first.Profile)
	_, err = c.Enrolment.Reenrol(first.Certificate, "bundle", requestFor(t, newKey(t, P256)))
	require.Equal(t, WrongProfile, DeniedFor(err))
	next, err := c.Enrolment.Reenrol(first.Certificate, "", requestFor(t, newKey(t, P256)))
	require.NoError(t, err)
	require.Equal(t, "admin", next.Profile)
}
