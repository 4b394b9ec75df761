package session

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
)

// BenchmarkExchange measures without read-ahead, and with one for a card that nothing is read ahead of.
func BenchmarkExchange(b *testing.B) {
	for _, window := range []int{0, 64} {
		b.Run(fmt.Sprint("ahead=", window), func(b *testing.B) { exchange(b, window) })
	}
}

// exchange sends commands through a session over loopback, without TLS: the cost of frames, ledger and
// hand-offs between goroutines.
func exchange(b *testing.B, window int) {
	a, z := nettest.Pair(b)
	w, epoch := benchPair(b, a, z, window)
	apdu := []byte{0, 0xB0, 0, 0, 32}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := w.Transmit(b.Context(), SlotVitale, epoch, apdu); err != nil {
			b.Fatal(err)
		}
	}
}

// benchPair runs a session with a card in the Vitale slot.
func benchPair(b *testing.B, a, z net.Conn, window int) (*Workstation, uint32) {
	inserted := make(chan Inserted, 1)
	id := NewID()
	t, err := OpenTerminal(a, TerminalConfig{ID: id, Ahead: window})
	require.NoError(b, err)
	require.NoError(b, t.Insert(SlotVitale, fakeATR, T0, new(fakeCard)))
	w, err := OpenWorkstation(z, WorkstationConfig{Session: id.String(), Ahead: window,
		Inserted: func(_ Slot, i Inserted) { inserted <- i }, Removed: func(Slot) {}})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() { _ = t.Run(ctx); done <- struct{}{} }()
	go func() { _ = w.Run(ctx); done <- struct{}{} }()
	b.Cleanup(func() { cancel(); <-done; <-done })
	return w, (<-inserted).Epoch
}
