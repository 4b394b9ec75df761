package ca

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/ca/store"
)

const gateway = "urn:tlagate:op:gateway:g1"

// headOf returns a head of a line; that it is signed is not the CA's business.
func headOf(whose string, number uint64, digit string) store.Head {
	return store.Head{Gateway: whose, Number: number, Hash: strings.Repeat(digit, 64), Signed: "signed",
		Certificate: []byte{1}}
}

// TestSA2HeadsAreKeptForThirteenMonths after they were last said, whoever's they are.
func TestSA2HeadsAreKeptForThirteenMonths(t *testing.T) {
	now := time.Now()
	c := openCA(t, newCA(t).dir, Options{Clock: func() time.Time { return now }})
	const keep, other = 396 * 24 * time.Hour, "urn:tlagate:op:gateway:g2"
	numbers := func(of string) (list []uint64) {
		all, err := c.Heads.Of(identity(t, of), 0, 100)
		require.NoError(t, err)
		for _, h := range all {
			list = append(list, h.Number)
		}
		return list
	}
	require.NoError(t, c.Heads.Say(t.Context(), headOf(other, 3, "a"), keep))
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 1, "a"), keep))
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 2, "b"), keep))
	now = now.Add(300 * 24 * time.Hour)
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 2, "b"), keep), "said again")
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 5, "c"), keep))
	require.Equal(t, []uint64{1, 2, 5}, numbers(gateway))
	now = now.Add(100 * 24 * time.Hour)
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 6, "d"), keep))
	require.Equal(t, []uint64{2, 5, 6}, numbers(gateway))
	require.Empty(t, numbers(other))
}

// TestSA2ForgettingHeadsIsRecorded before it is done, and needs heads.
func TestSA2ForgettingHeadsIsRecorded(t *testing.T) {
	c := newCA(t)
	_, err := c.Heads.Forget(identity(t, gateway), "new machine")
	require.ErrorContains(t, err, "the books have none")
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 7, "a"), time.Hour))
	require.ErrorIs(t, c.Heads.Say(t.Context(), headOf(gateway, 1, "b"), time.Hour), store.ErrHeadBack)
	last, err := c.Heads.Forget(identity(t, gateway), "new machine")
	require.NoError(t, err)
	require.EqualValues(t, 7, last.Number)
	require.NoError(t, c.Heads.Say(t.Context(), headOf(gateway, 1, "b"), time.Hour))
	var entry audit.Entry
	for line, err := range audit.Read(AuditFile(c.dir)) {
		require.NoError(t, err)
		entry = line.Entry
	}
	require.Equal(t, audit.OperatorAct, entry.Event)
	require.NotEmpty(t, entry.With["user"])
	delete(entry.With, "user")
	require.Equal(t, map[string]string{"act": "forget heads", "identity": gateway, "reason": "new machine",
		"number": "7", "hash": strings.Repeat("a", 64)}, entry.With)
}

// TestSA2AHeadThatWasGivenUpIsNotKept: its gateway may have sent a later one while the books were busy.
func TestSA2AHeadThatWasGivenUpIsNotKept(t *testing.T) {
	c := newCA(t)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, c.Heads.Say(over, headOf(gateway, 7, "a"), time.Hour), context.Canceled)
	all, err := c.Heads.Newest()
	require.NoError(t, err)
	require.Empty(t, all)
}
