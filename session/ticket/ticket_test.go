package ticket

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	now  = time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	said = Statement{TLA: "urn:tlagate:cab:tla:t1", PdT: "urn:tlagate:cab:pdt:p1", Session: strings.Repeat("ab", 16),
		Generation: 2, Began: now, Expires: now.Add(5 * time.Minute)}
	want = Want{TLA: said.TLA, PdT: said.PdT, Session: said.Session, Now: now}
)

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

func TestC4TicketIsVerified(t *testing.T) {
	key, chain := newKey(t), [][]byte{{1, 2}, {3}}
	text, err := Sign(said, chain, key)
	require.NoError(t, err)
	certs, err := Chain(text)
	require.NoError(t, err)
	require.Equal(t, chain, certs)
	got, err := Verify(text, key.Public(), want)
	require.NoError(t, err)
	expected := said
	expected.Version = 1
	require.Equal(t, expected, got)
	generation, err := Generation(text)
	require.NoError(t, err)
	require.EqualValues(t, 2, generation)
}

func TestC4AnyOtherTicketIsRefused(t *testing.T) {
	key := newKey(t)
	text, err := Sign(said, [][]byte{{1}}, key)
	require.NoError(t, err)
	_, err = Verify(text, newKey(t).Public(), want)
	require.ErrorIs(t, err, errSignature)
	for name, w := range map[string]Want{
		"TLA": {said.TLA + "x", said.PdT, said.Session, now}, "PdT": {said.TLA, said.PdT + "x", said.Session, now},
		"session": {said.TLA, said.PdT, "", now},
	} {
		_, err := Verify(text, key.Public(), w)
		require.ErrorIs(t, err, errMismatch, name)
	}
	late := want
	late.Now = said.Expires
	_, err = Verify(text, key.Public(), late)
	require.ErrorIs(t, err, errOver)
	first := said
	first.Generation = 1 // a session is begun by a consent, not by a ticket
	text, err = Sign(first, [][]byte{{1}}, key)
	require.NoError(t, err)
	_, err = Verify(text, key.Public(), want)
	require.ErrorIs(t, err, errUnreadable)
}

// TestC4AlteredTicketIsRefused changes each octet of the signed part, and cuts the text after each octet.
func TestC4AlteredTicketIsRefused(t *testing.T) {
	key := newKey(t)
	text, err := Sign(said, [][]byte{{1, 2, 3}}, key)
	require.NoError(t, err)
	signedPart := strings.LastIndex(text, ".")
	for i := range text {
		if i <= signedPart { // a certificate that was cut is for the caller to refuse
			_, err := Verify(text[:i], key.Public(), want)
			require.Error(t, err, "cut at %d", i)
		}
		if i < signedPart {
			other := byte('A')
			if text[i] == other {
				other = 'B'
			}
			_, err := Verify(text[:i]+string(other)+text[i+1:], key.Public(), want)
			require.Error(t, err, "octet %d", i)
		}
	}
	for _, bad := range []string{"", "..", "a.b.", "a.b.c\n", strings.Repeat("a.", 20),
		strings.Repeat("a", MaxText+1)} {
		_, err := Chain(bad)
		require.ErrorIs(t, err, errUnreadable)
	}
	_, err = Sign(said, [][]byte{make([]byte, MaxText)}, key)
	require.Error(t, err)
}

func FuzzTicket(f *testing.F) {
	key := newKey(f)
	text, err := Sign(said, [][]byte{{1, 2, 3}}, key)
	require.NoError(f, err)
	f.Add(text)
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = Chain(s)
		if got, err := Verify(s, key.Public(), want); err == nil {
			again := got
			again.Version = said.Version
			require.Equal(t, said, again, "a text that was never signed")
		}
	})
}
