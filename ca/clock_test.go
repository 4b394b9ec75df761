package ca

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
)

// TestC2AClockAhead: a CA whose clock jumps writes nothing of the future, and what an earlier one wrote is taken back by one command.
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
	revoked, err := c.Issue(request("revoked"))
	require.NoError(t, err)
	_, err = c.Revoke(Selection{Serial: revoked.Serial}, 0)
	require.NoError(t, err)
	_, err = c.PublishCRL()
	require.NoError(t, err)
	start := now

	now = start.Add(c.ListLife() + clockPatience - time.Minute) // away for a week
	require.NoError(t, c.clockAheadNow())
	now = start.AddDate(3, 0, 0)
	_, err = c.PublishCRL()
	require.ErrorIs(t, err, ErrClock)
	_, err = c.Issue(request("t1"))
	require.ErrorIs(t, err, ErrClock)
	_, err = c.Invite(Guest{Identity: named("t1")})
	require.ErrorIs(t, err, ErrClock)

	// Somebody vouches for it wrongly: what comes of that can be undone.
	now = start.AddDate(2, 0, 0)
	found, err := c.TrustClock()
	require.NoError(t, err)
	require.Empty(t, found)
	for range 2 { // the second one leaves out who has ended by then
		_, err = c.PublishCRL()
		require.NoError(t, err)
	}
	future, err := c.Issue(request("future"))
	require.NoError(t, err)
	held, err := c.Issue(request("held"))
	require.NoError(t, err)
	_, err = c.Revoke(Selection{Serial: held.Serial}, Hold)
	require.NoError(t, err)
	_, err = c.Invite(Guest{Identity: named("guest")})
	require.NoError(t, err)
	c.clockTrusted = false

	now = start.Add(time.Hour)
	due, err := c.CRLDue()
	require.NoError(t, err)
	require.Equal(t, now, due, "not in two years")
	_, err = c.PublishCRL()
	require.ErrorIs(t, err, ErrClock)
	found, err = c.TrustClock()
	require.NoError(t, err)
	require.Len(t, found.Withdrawn, 1)
	require.Len(t, found.Certificates, 1)
	require.Equal(t, future.Serial, found.Certificates[0].Serial)
	list, err := c.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, now, list.ThisUpdate)
	require.Equal(t, 2, list.Entries, "who had ended by the clock alone is on the list again")
	records, err := c.Find(held.Serial)
	require.NoError(t, err)
	require.Equal(t, now, records[0].RevokedAt.UTC())
	c.clockTrusted = false
	_, err = c.Issue(request("t2"))
	require.NoError(t, err)
	due, err = c.CRLDue()
	require.NoError(t, err)
	require.Equal(t, now.Add(time.Duration(c.Settings.CRLPeriod)), due)
}
