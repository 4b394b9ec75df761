package ca

import (
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/ca/store"
	"tlagate/internal/again"
	"tlagate/pki/crl"
)

// held is a publication that stands still at a point of it.
type held struct {
	goOn chan struct{}
	done chan *List
}

// hold has another program publish a CRL, and returns it once it is at the point.
func hold(t *testing.T, dir, point string) held {
	c, there := openCA(t, dir, Options{}), make(chan struct{})
	h := held{make(chan struct{}), make(chan *List, 1)}
	c.at = func(here string) {
		if here == point {
			close(there)
			<-h.goOn
		}
	}
	go func() {
		list, err := c.Lists.PublishCRL()
		if err != nil {
			t.Error(err)
		}
		h.done <- list
	}()
	<-there
	return h
}

// TestC2RevokingDoesNotWaitForAPublication: while a list is made, certificates are issued, revoked, held and released,
// and the events go out. What is revoked meanwhile is on the list that follows it, which is the next.
func TestC2RevokingDoesNotWaitForAPublication(t *testing.T) {
	for _, point := range []string{"read", "signed"} {
		t.Run("C2 "+point, func(t *testing.T) {
			c := newCA(t)
			events := openEvents(t, c)
			before, during := issueTLA(t, c, terminal), issueTLA(t, c, "urn:tlagate:cab1:tla:t2")
			_, err := c.Revocations.Revoke(Selection{Serial: before.Serial}, store.KeyCompromise)
			require.NoError(t, err)
			h := hold(t, c.dir, point)

			last, err := events.Last(t.Context())
			require.NoError(t, err)
			_, err = c.Revocations.Revoke(Selection{Serial: during.Serial}, store.KeyCompromise)
			require.NoError(t, err)
			told, err := events.After(t.Context(), last, 10)
			require.NoError(t, err)
			require.Len(t, told, 1)
			require.Equal(t, during.Certificate.SerialNumber, told[0].Serial)
			other := issueTLA(t, c, "urn:tlagate:cab1:tla:t3")
			_, err = c.Revocations.Revoke(Selection{Serial: other.Serial}, store.Hold)
			require.NoError(t, err)
			_, err = c.Revocations.Release(Selection{Serial: other.Serial})
			require.NoError(t, err)

			mine := make(chan *List, 1)
			go func() {
				list, err := c.Lists.PublishCRL()
				if err != nil {
					t.Error(err)
				}
				mine <- list
			}()
			close(h.goOn)
			first, second := <-h.done, <-mine
			require.NotNil(t, first)
			require.NotNil(t, second)
			require.Equal(t, first.Number+1, second.Number)
			require.False(t, first.read.Has(during.Certificate.SerialNumber))
			for _, serial := range []*big.Int{before.Certificate.SerialNumber, during.Certificate.SerialNumber} {
				require.True(t, second.read.Has(serial))
			}
			require.Equal(t, second.DER, published(t, c, "crl").Raw)
		})
	}
}

// A hold that is released and put on again while a list is made is missing on that list, and on the next one.
func TestC2HeldAnewDuringAPublication(t *testing.T) {
	c := newCA(t)
	one := Selection{Serial: issueTLA(t, c, terminal).Serial}
	_, err := c.Revocations.Revoke(one, store.Hold)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.NoError(t, err)
	_, err = c.Revocations.Release(one)
	require.NoError(t, err)
	h := hold(t, c.dir, "read")
	_, err = c.Revocations.Revoke(one, store.Hold)
	require.NoError(t, err)
	close(h.goOn)
	during := <-h.done
	require.NotNil(t, during)
	require.Zero(t, during.Entries)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, 1, list.Entries)
}

// Revocations are read in pieces: none is lost at their borders, and one with a hole in its record stops the
// publication.
func TestC2ManyRevocations(t *testing.T) {
	again.Once(t)
	c := newCA(t)
	const all = 2*10_000 + 1
	_, err := booksOf(t, c).Exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO certificates (serial_number, authority_key_identifier, status, reason, expiry, revoked_at, pem,
			metadata, sans)
		SELECT CAST(i AS TEXT), ?, 'revoked', 1, ?, ?, 'x', '{}', '[]' FROM n`,
		all, store.KeyID(c.Issuing), c.now().AddDate(1, 0, 0), c.now())
	require.NoError(t, err)
	list, err := c.Lists.PublishCRL()
	require.NoError(t, err)
	require.Equal(t, all, list.Entries)
	for i := range int64(all) {
		if !list.read.Has(big.NewInt(i + 1)) {
			t.Fatalf("%d is not in the list", i+1)
		}
	}
	_, err = booksOf(t, c).Exec(`UPDATE certificates SET revoked_at = NULL WHERE serial_number = '77'`)
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.ErrorContains(t, err, "1 revocations lack their time")
	_, err = booksOf(t, c).Exec(
		`UPDATE certificates SET revoked_at = ?, serial_number = 'x' WHERE serial_number = '77'`, c.now())
	require.NoError(t, err)
	_, err = c.Lists.PublishCRL()
	require.ErrorContains(t, err, `"x" is no serial number`)
	der, err := crl.Read(published(t, c, "crl").Raw)
	require.NoError(t, err)
	require.EqualValues(t, list.Number, der.Number().Int64())
}
