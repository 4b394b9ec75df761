package pdt

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// unwilling is a session whose commands end with its error.
type unwilling struct{ err error }

func (u *unwilling) Transmit(context.Context, session.Slot, uint32, []byte) ([]byte, error) {
	return []byte{0x90, 0}, u.err
}

func (u *unwilling) Reset(context.Context, session.Slot, uint32, session.ResetKind) (uint32, []byte, error) {
	return 2, nil, u.err
}

func (u *unwilling) Verify(context.Context, session.Slot, uint32, [session.MinCommand]byte) ([]byte, error) {
	return []byte{0x90, 0}, u.err
}
func (u *unwilling) Shown(session.Slot, uint32) {}
func (u *unwilling) DropAhead(session.Slot)     {}

// TestStatusTellsOfAReaderThatDeclines: several failed commands in a row are a warning, until one is executed.
func TestStatusTellsOfAReaderThatDeclines(t *testing.T) {
	u := &unwilling{session.Failed}
	s := newSlot(session.SlotCPS, nil)
	s.insert(newCard(t.Context(), session.SlotCPS, session.Inserted{Epoch: 1, ATR: []byte{0x3B, 0}}, u, new(counts)))
	warnings := func() []string {
		st := Status{Session: &SessionStatus{}, Slots: []SlotStatus{s.status()}}
		st.judge(time.Now())
		require.True(t, st.Healthy, "it is the terminal's matter")
		return st.Warnings
	}
	command := func() { _, _ = s.present().Transmit(t.Context(), []byte{0, 0xB0, 0, 0}) }
	for range manyFailed {
		require.Empty(t, warnings())
		command()
	}
	require.Len(t, warnings(), 1)
	require.Contains(t, warnings()[0], "the last 3 commands for the cps card")
	u.err = nil
	command()
	require.Empty(t, warnings())
}

// TestC1DriverThatIsTurnedAway: a slot without a driver is a problem; one whose driver another wants to replace works.
func TestC1DriverThatIsTurnedAway(t *testing.T) {
	for _, connected := range []bool{true, false} {
		st := Status{Gateways: []GatewayStatus{{Parked: 1}}, Slots: []SlotStatus{{Role: "cps",
			Driver: &DriverState{Connected: connected, Error: "there is another pcscd"}}}}
		st.judge(time.Now())
		require.Equal(t, connected, st.Healthy, "%v", st.Problems)
		require.Contains(t, strings.Join(append(st.Warnings, st.Problems...), " "), "there is another pcscd")
	}
}
