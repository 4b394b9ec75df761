package ca

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/pki"
)

// TestC2AClockAhead: a CA whose clock jumps writes nothing of the future, and what an earlier one wrote is taken back
// by one command.
func TestC2AClockAhead(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	dir := t.TempDir() + "/ca"
	clock := func() time.Time { return now }
	require.NoError(t, Init(dir, InitConfig{Clock: clock}))
	c := openCA(t, dir, Options{Clock: clock})
	named := func(name string) pki.Identity { return identity(t, "urn:tlagate:cab1:tla:"+name) }
	request := func(name string) Request {
		return Request{Profile: "tla", Identity: named(name), CSR: requestFor(t, newKey(t, P256))}
	}
	revoked, err := c.Certificates.Issue(request("revoked"))
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Serial: revoked.Serial}, 0)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	start := now

	now = start.Add(c.Lists.Life() + clockPatience - time.Minute) // away for a week
	require.NoError(t, c.Clock.notAhead())
	now = start.AddDate(3, 0, 0)
	_, err = c.Lists.PublishCRL()
	require.ErrorIs(t, err, errClock)
	_, err = c.Certificates.Issue(request("t1"))
	require.ErrorIs(t, err, errClock)
	_, err = c.Invitations.Invite(Guest{Identity: named("t1")})
	require.ErrorIs(t, err, errClock)

	// Somebody vouches for it wrongly: what comes of that can be undone.
	now = start.AddDate(2, 0, 0)
	found, err := c.Clock.Trust()
	require.NoError(t, err)
	require.Empty(t, found)
	for range 2 { // the second one leaves out what has ended by then
		_, err = c.Lists.PublishCRL()
		require.NoError(t, err)
	}
	future, err := c.Certificates.Issue(request("future"))
	require.NoError(t, err)
	held, err := c.Certificates.Issue(request("held"))
	require.NoError(t, err)
	_, err = c.Revocations.Revoke(Selection{Serial: held.Serial}, store.Hold)
	require.NoError(t, err)
	_, err = c.Invitations.Invite(Guest{Identity: named("guest")})
	require.NoError(t, err)
	c.Clock.trusted = false

	now = start.Add(time.Hour)
	due, err := c.Lists.CRLDue()
	require.NoError(t, err)
	require.Equal(t, now, due, "not in two years")
	_, err = c.Lists.PublishCRL()
	require.ErrorIs(t, err, errClock)
	found, err = c.Clock.Trust()
	require.NoError(t, err)
	require.Len(t, found.Withdrawn, 1)
	require.Len(t, found.Certificates, 1)
	require.Equal(t, future.Serial, found.Certificates[0].Serial)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, now, list.ThisUpdate)
	require.Equal(t, 2, list.Entries, "who had ended by the clock alone is on the list again")
	records, err := c.Find(held.Serial)
	require.NoError(t, err)
	require.Equal(t, now, records[0].RevokedAt.UTC())
	c.Clock.trusted = false
	_, err = c.Certificates.Issue(request("t2"))
	require.NoError(t, err)
	due, err = c.Lists.CRLDue()
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Duration(c.Settings.CRLPeriod)), due)
	require.Equal(t, 2, recorded(t, dir, audit.CAClock), "each time that somebody vouched for the clock")
}

// recorded returns how many lines of a kind the CA's trace has.
func recorded(t *testing.T, dir string, kind audit.Kind) (n int) {
	t.Helper()
	for line, err := range audit.Read(AuditFile(dir)) {
		require.NoError(t, err)
		if line.Entry.Event == kind {
			n++
		}
	}
	return n
}
