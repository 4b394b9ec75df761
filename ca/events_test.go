package ca

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
)

func openEvents(t *testing.T, c *CA) *store.Events {
	events, err := c.Events()
	require.NoError(t, err)
	t.Cleanup(func() { events.Close() })
	return events
}

// TestEvents: what another connection to the books does is seen, whole and in order.
func TestEvents(t *testing.T) {
	c, ctx := newCA(t), t.Context()
	events := openEvents(t, c)
	version, err := events.Version(ctx)
	require.NoError(t, err)
	last, err := events.Last(ctx)
	require.NoError(t, err)
	issued := issueTLA(t, c, terminal)
	one := Selection{Serial: issued.Serial}
	for _, step := range []func() error{
		func() error { _, err := c.Revocations.Revoke(one, store.Hold); return err },
		func() error { _, err := c.Revocations.Release(one); return err },
		func() error { _, err := c.Revocations.Revoke(one, store.Hold); return err },
		func() error { _, err := c.Revocations.Revoke(one, store.KeyCompromise); return err },
		func() error { _, err := c.Lists.PublishCRL(); return err },
		func() error {
			_, err := c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.CACompromise)
			return err
		},
	} {
		require.NoError(t, step())
	}
	changed, err := events.Version(ctx)
	require.NoError(t, err)
	require.NotEqual(t, version, changed)

	got, err := events.After(ctx, last, 100)
	require.NoError(t, err)
	type brief struct {
		kind   store.Kind
		reason store.Reason
		who    string
	}
	var told []brief
	for i, e := range got {
		require.Equal(t, last+int64(i)+1, e.ID)
		require.WithinDuration(t, time.Now(), e.At, time.Minute)
		told = append(told, brief{e.Kind, e.Reason, e.Identity})
	}
	require.Equal(t, []brief{
		{store.EventRevoked, store.Hold, terminal}, {store.EventReleased, store.Hold, terminal}, {store.EventRevoked,
			store.Hold, terminal},
		{store.EventRevoked, store.KeyCompromise, terminal}, {store.EventCRL, 0, ""}, {store.EventRevoked,
			store.CACompromise, c.Issuing.Subject.CommonName},
	}, told)
	require.Equal(t, issued.Certificate.SerialNumber, got[0].Serial)
	require.Equal(t, store.KeyID(c.Issuing), got[0].Issuer)
	require.Equal(t, issued.Certificate.NotAfter, got[0].Ends)
	require.Equal(t, c.Issuing.NotAfter, got[5].Ends)
	require.Zero(t, got[4].Ends)
	require.EqualValues(t, 2, got[4].Serial.Int64())
	require.Equal(t, store.KeyID(c.Root), got[5].Issuer)

	two, err := events.After(ctx, last+1, 2)
	require.NoError(t, err)
	require.Equal(t, got[1:3], two)
	cas, err := events.RevokedCAs(ctx, got[5].ID)
	require.NoError(t, err)
	require.Equal(t, got[5:], cas)
	none, err := events.Before(ctx, time.Now().Add(-time.Hour))
	require.NoError(t, err)
	require.Zero(t, none)
	all, err := events.Before(ctx, time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, got[5].ID, all)
}
