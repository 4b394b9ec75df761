package ca

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
)

func TestC2HoldAndRelease(t *testing.T) {
	c := newCA(t)
	issued := issueTLA(t, c, terminal)
	one := Selection{Serial: issued.Serial}
	_, err := c.Revocations.Release(one)
	require.ErrorIs(t, err, store.ErrNotHeld)

	held, err := c.Revocations.Revoke(one, store.Hold)
	require.NoError(t, err)
	require.Equal(t, "certificateHold", held[0].Reason)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	lintList(t, list)
	require.Equal(t, int(store.Hold), published(t, c, "crl").RevokedCertificateEntries[0].ReasonCode)
	_, err = c.Revocations.Revoke(one, store.Hold)
	require.ErrorIs(t, err, store.ErrRevoked)

	released, err := c.Revocations.Release(one)
	require.NoError(t, err)
	require.Equal(t, store.Good, released[0].Status)
	require.Nil(t, released[0].RevokedAt)
	list, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Zero(t, list.Entries, "the entry just disappears: removeFromCRL is for delta CRLs")

	_, err = c.Revocations.Revoke(one, store.Hold)
	require.NoError(t, err)
	final, err := c.Revocations.Revoke(Selection{Identity: terminal}, store.KeyCompromise)
	require.NoError(t, err)
	require.Equal(t, "keyCompromise", final[0].Reason)
	_, err = c.Revocations.Release(one)
	require.ErrorContains(t, err, "for good (keyCompromise)")
	_, err = c.Revocations.Revoke(one, store.Hold)
	require.ErrorIs(t, err, store.ErrRevoked)
}

func TestC2ACAIsNotPutOnHold(t *testing.T) {
	c := newCA(t)
	_, err := c.Revocations.Revoke(Selection{Certificate: c.Issuing}, store.Hold)
	require.ErrorContains(t, err, "not put on hold")
}

// What the world has been told is not taken back by books that forgot it.
func TestC2ANewListLosesNothing(t *testing.T) {
	lose := map[string]struct{ sql, says string }{
		"a revocation": {`UPDATE certificates SET status = 'good', reason = 0 WHERE status = 'revoked'`,
			"the books have lost a revocation"},
		"a certificate":   {`DELETE FROM certificates WHERE status = 'revoked'`, "the books have lost a revocation"},
		"the last number": {`DELETE FROM crls WHERE number > 1`, "they are older than it"},
	}
	for name, l := range lose {
		t.Run(name, func(t *testing.T) {
			c := newCA(t)
			_, err := c.Revocations.Revoke(Selection{Serial: issueTLA(t, c, terminal).Serial}, store.KeyCompromise)
			require.NoError(t, err)
			_, err = c.Lists.PublishCRL()
			require.NoError(t, err)
			before, err := os.ReadFile(c.Public("crl.der"))
			require.NoError(t, err)
			_, err = booksOf(t, c).Exec(l.sql)
			require.NoError(t, err)

			_, err = c.Lists.PublishCRL()
			require.ErrorContains(t, err, "cannot publish the crl: ")
			require.ErrorContains(t, err, l.says)
			after, err := os.ReadFile(c.Public("crl.der"))
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

// A published file that is spoilt must not keep the CA from publishing a good one.
func TestASpoiltListIsReplaced(t *testing.T) {
	c := newCA(t)
	require.NoError(t, os.WriteFile(c.Public("crl.der"), []byte("spoilt"), 0o644))
	_, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.EqualValues(t, 2, published(t, c, "crl").Number.Int64())
}
