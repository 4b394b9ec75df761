package cards

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
)

// TestT0DoesWhatT1Promises: the card's side of T=0 is scripted.
func TestT0DoesWhatT1Promises(t *testing.T) {
	data := strings.Repeat("AB", 256)
	for _, c := range []struct {
		name, command string
		card          []string // commands and their answers, in turn
		answer        string
	}{
		{"case 1", "00440000", []string{"00440000", "9000"}, "9000"},
		{"case 3", "00CB3FFF025C00", []string{"00CB3FFF025C00", "6103"}, "6103"},
		{"case 4", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6103", "00C0000003", "0102039000"}, "0102039000"},
		{"in pieces", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6102", "00C0000002", "01026101", "00C0000001",
			"039000"}, "0102039000"},
		{"more than wanted", "00CB3FFF025C0002", []string{"00CB3FFF025C00", "6103", "00C0000002", "01026101"},
			"01026101"},
		{"all of 256", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6100", "00C0000000", data + "6110"},
			data + "6110"},
		{"refused", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6A82"}, "6A82"},
		{"case 2, less there", "00B0000000", []string{"00B0000000", "6C02", "00B0000002", "01029000"}, "01029000"},
		{"case 2, more there", "00B0000001", []string{"00B0000001", "6C02"}, "6C02"},
		{"6C of the fetch", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6100", "00C0000000", "6C02", "00C0000002",
			"01029000"}, "01029000"},
		{"nothing comes", "00CB3FFF025C0000", []string{"00CB3FFF025C00", "6103", "00C0000003", "6F00"}, "6F00"},
		{"on a channel, chained", "13CB3FFF025C0000", []string{"13CB3FFF025C00", "6101", "03C0000001", "019000"},
			"019000"},
		{"on channel 5", "71CB3FFF025C0000", []string{"71CB3FFF025C00", "6101", "41C0000001", "019000"}, "019000"},
		{"proprietary", "80CB3FFF025C0000", []string{"80CB3FFF025C00", "6101", "80C0000001", "019000"}, "019000"},
		{"extended", "00CB3FFF0000025C000000", []string{"00CB3FFF0000025C000000", "9000"}, "9000"},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer, err := asT1(scripted(t, &c.card), octetsOf(t, c.command))
			require.NoError(t, err)
			require.Equal(t, c.answer, strings.ToUpper(hex.EncodeToString(answer)))
			require.Empty(t, c.card, "all was asked")
		})
	}
	_, err := asT1(func(apdu []byte) ([]byte, error) {
		if apdu[1] == insGetResponse {
			return nil, cardstest.ErrDeclined
		}
		return []byte{swMore, 3}, nil
	}, octetsOf(t, "00CB3FFF025C0000"))
	require.ErrorIs(t, err, cardstest.ErrDeclined)
}

func scripted(t *testing.T, script *[]string) func([]byte) ([]byte, error) {
	return func(apdu []byte) ([]byte, error) {
		if len(*script) < 2 {
			return nil, errors.New("nothing more was to come")
		}
		command, answer := (*script)[0], (*script)[1]
		*script = (*script)[2:]
		require.Equal(t, command, strings.ToUpper(hex.EncodeToString(apdu)))
		return octetsOf(t, answer), nil
	}
}

func octetsOf(t *testing.T, digits string) []byte {
	octets, err := hex.DecodeString(digits)
	require.NoError(t, err)
	return octets
}

// TestT0IsAnnouncedAndMadeT1: a card that offers T=1 is taken in T=0.
func TestT0IsAnnouncedAndMadeT1(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.CPSATR, 7)
	l := taking(t, f, patience)
	require.Equal(t, session.T0, l.Protocol)
	_, err := l.Transmit(octetsOf(t, "00CB3FFF025C0000"))
	require.NoError(t, err)
	require.Equal(t, 7, cardstest.Get(f, func() int { return len(card.Last) }), "without Le")
}
