package policy

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/pin"
)

// fetching is bench, whose cards have what waits fetched.
func fetching() Table {
	p := bench.Profiles[0]
	p.Ahead = Ahead{Responses: On, Files: []File{{File: "D001", Apps: []string{aidA}, Read: 16}}}
	return Table{Version: 1, Profiles: []Profile{p}}
}

// fetchedBefore returns a guard that has fetched what waited after a SELECT of an application, and as a promise.
func fetchedBefore(t *testing.T, aid, response string) *guarded {
	g := guard(t, fetching(), "3BAC")
	g.card.answers = []string{"6104", response}
	g.gives(sel(aid))
	apdu, most := g.predictor.Next()
	require.Equal(t, octets(t, "00C0000004"), apdu)
	require.Equal(t, 6, most)
	answer, err := g.Ahead(apdu)
	require.NoError(t, err)
	require.Equal(t, octets(t, response), answer)
	g.predictor.Predicted(apdu, answer)
	return g
}

// gives sends a command and has the predictor know of it, as a session does.
func (g *guarded) gives(apdu string) string {
	before := octets(g.t, apdu)
	answer, err := g.Transmit(octets(g.t, apdu))
	require.NoError(g.t, err)
	g.predictor.Gave(before, answer)
	return strings.ToUpper(hex.EncodeToString(answer))
}

const waited = "0A0B0C0D9000"

// TestFetchedIsAsAtTheCard: what a prediction fetched waits for programs as if the card had it: for the right length,
// over what never reaches the card, and for one GET RESPONSE only.
func TestFetchedIsAsAtTheCard(t *testing.T) {
	t.Run("right length", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		counted := 0
		g.hooks.Fetched = func() { counted++ }
		require.Equal(t, waited, g.gives("00C0000004"))
		require.Equal(t, 1, counted)
		g.stops("00C0000004", "6982", "no rule")
	})
	t.Run("other lengths", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		for _, other := range []string{"00C0000000", "00C0000003", "00C00000", "00C00000000010"} {
			require.Equal(t, "6C04", g.gives(other), other)
		}
		require.Len(t, g.card.got, 2)
		require.Equal(t, waited, g.gives("00C0000004"))
	})
	t.Run("taken", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		g.predictor.Took(octets(t, "00C0000004"), octets(t, waited))
		g.stops("00C0000004", "6982", "no rule")
	})
	t.Run("its take was lost", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		g.predictor.Missed()
		g.stops("00C0000004", "6982", "no rule")
	})
	t.Run("a lost link", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		g.predictor.Drop()
		g.predictor.Lose()
		require.Equal(t, waited, g.gives("00C0000004"))
	})
	t.Run("what is refused", func(t *testing.T) {
		g := fetchedBefore(t, aidA, waited)
		require.Equal(t, "6982", g.gives("00D6000001FF"))
		require.Equal(t, "6700", g.gives("00B000"))
		_, err := g.VerifyPIN([session.MinCommand]byte{0, insVerify, 0, 0x99})
		require.NoError(t, err)
		require.Equal(t, waited, g.gives("00C0000004"))
	})
}

// TestFetchedInParts: of a response that the card has more of, one part is fetched when the program has the last.
func TestFetchedInParts(t *testing.T) {
	for name, next := range map[string]func(*guarded){
		"by a promise": func(g *guarded) { g.predictor.Took(octets(t, "00C0000004"), octets(t, "0A0B0C0D6102")) },
		"by itself":    func(g *guarded) { require.Equal(t, "0A0B0C0D6102", g.gives("00C0000004")) },
		"by the prediction under way": func(g *guarded) {
			g.predictor.Gave(octets(t, "00C0000004"), octets(t, "0A0B0C0D6102"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := fetchedBefore(t, aidA, "0A0B0C0D6102")
			require.Nil(t, expected(g.predictor), "no program has the first")
			next(g)
			require.Equal(t, octets(t, "00C0000002"), expected(g.predictor))
			g.card.answers = []string{"0E0F9000"}
			_, err := g.Ahead(octets(t, "00C0000002"))
			require.NoError(t, err)
			require.Equal(t, "0E0F9000", g.gives("00C0000002"))
		})
	}
}

// TestEL3FetchedIsWiped by whatever takes it from the program: the card would have lost it.
func TestEL3FetchedIsWiped(t *testing.T) {
	for name, ends := range map[string]func(*testing.T, *guarded){
		"another command": func(_ *testing.T, g *guarded) { g.gives(sel(aidA)) },
		"another one's answer": func(t *testing.T, g *guarded) {
			g.predictor.Took(octets(t, "00B0000010"), octets(t, full(16)))
		},
		"a chain":          func(_ *testing.T, g *guarded) { g.gives("102A9E9A0101"); g.gives("002A9E9A0102") },
		"a reset":          func(t *testing.T, g *guarded) { _, _ = g.Reset(session.ResetWarm) },
		"the card is gone": func(t *testing.T, g *guarded) { g.predictor.Reset() },
		"a PIN": func(t *testing.T, g *guarded) {
			g.hooks.Verify = func([4]byte, pin.Format) ([]byte, error) { return octets(t, "9000"), nil }
			_, err := g.VerifyPIN([session.MinCommand]byte{0, insVerify, 0, 0x81})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := fetchedBefore(t, aidB, waited)
			held := g.fetched.response
			require.Equal(t, octets(t, waited), held)
			ends(t, g)
			require.Equal(t, make([]byte, len(held)), held)
			require.False(t, g.fetched.has())
		})
	}
}

// TestC1NothingIsReadAheadWhileAResponseWaits: a prediction other than its GET RESPONSE would lose it, so it never
// reaches the card; and what the profile does not say is not predicted at all.
func TestC1NothingIsReadAheadWhileAResponseWaits(t *testing.T) {
	g := guard(t, fetching(), "3BAC")
	g.gives(sel(aidA))
	for _, way := range []string{"waits", "is fetched"} {
		g.card.answers = []string{"6104"}
		g.gives(sel(aidA))
		if way == "is fetched" {
			_, err := g.Ahead(octets(t, "00C0000004"))
			require.NoError(t, err)
			_, err = g.Ahead(octets(t, "00C0000004"))
			require.ErrorIs(t, err, session.ErrNotAhead, "the card has none")
		}
		before := len(g.card.got)
		_, err := g.Ahead(octets(t, "00B0000010"))
		if way == "waits" {
			require.ErrorIs(t, err, session.ErrNotAhead)
			require.Len(t, g.card.got, before)
		} else {
			require.NoError(t, err)
		}
	}
	plain := guard(t, bench, "3BAC")
	plain.card.answers = []string{"6104"}
	plain.gives(sel(aidA))
	require.Nil(t, expected(plain.predictor))
	_, err := plain.Ahead(octets(t, "00C0000004"))
	require.ErrorIs(t, err, session.ErrNotAhead)
}
