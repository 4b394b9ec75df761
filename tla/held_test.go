package tla

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
)

// take holds the card of a seat of a fake for the time of the test.
func takeFake(t *testing.T, f *fakePCSC, command time.Duration) *held {
	t.Helper()
	var tab table
	names := []string{}
	for _, r := range f.slots {
		names = append(names, r.name)
	}
	tab.keep(names)
	ctx, err := f.establish()
	require.NoError(t, err)
	looks := tab.looks()
	require.NoError(t, ctx.wait(looks, time.Second))
	ctx.release()
	tab.apply(looks)
	seats := tab.seats()
	o := &holder{service: f, limit: patience, command: command}
	for _, s := range seats {
		if s == nil {
			continue
		}
		h, err := o.take(t.Context(), *s)
		require.NoError(t, err)
		t.Cleanup(func() {
			h.release()
			<-h.free
			require.Zero(t, get(f, func() int { return f.open + f.holds }))
		})
		return h
	}
	t.Fatal("no card in the fake")
	return nil
}

var apdu = []byte{0, 0xB0, 0, 0, 0}

func TestTakenCardIsColdResetAndPoweredDownAfterwards(t *testing.T) {
	f := newFake("a")
	card := f.insert("a", vitaleATR, 7)
	card.unlocked = true
	h := takeFake(t, f, patience)
	require.Equal(t, 1, card.colds)
	require.False(t, card.unlocked, "nothing an earlier program was allowed remains")
	require.Equal(t, vitaleATR, h.atr)
	answer, err := h.Transmit(apdu)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 0x90, 0}, answer)
	h.release()
	<-h.free
	require.Equal(t, 1, card.powerDowns)
	require.False(t, card.powered || card.unlocked)
	_, err = h.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost, "no command after the release")
	require.Equal(t, 1, card.commands)
}

func TestResets(t *testing.T) {
	f := newFake("a")
	card := f.insert("a", cpsATR, 1)
	h := takeFake(t, f, patience)
	for _, kind := range []session.ResetKind{session.ResetWarm, session.ResetCold, session.PowerOff} {
		_, err := h.Transmit(apdu)
		require.NoError(t, err)
		require.True(t, card.unlocked)
		atr, err := h.Reset(kind)
		require.NoError(t, err)
		require.False(t, card.unlocked, "kind %d", kind)
		if kind == session.PowerOff {
			require.Empty(t, atr)
		} else {
			require.Equal(t, cpsATR, atr)
		}
	}
	require.Equal(t, 1, card.warms)
	require.Equal(t, 3, card.colds, "taking, cold reset, power off")
}

func TestSwappedCardIsNeverReadThroughTheOldHold(t *testing.T) {
	f := newFake("a")
	f.insert("a", vitaleATR, 1)
	h := takeFake(t, f, patience)
	other := f.swap("a", vitaleATR, 2)
	_, err := h.Reset(session.ResetCold)
	require.ErrorIs(t, err, session.ErrCardLost, "a reset of PC/SC would revive the handle for the other card")
	_, err = h.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost)
	<-h.lost
	require.Zero(t, other.commands)
}

func TestReleaseDoesNotWaitForACommand(t *testing.T) {
	f := newFake("a")
	card := f.insert("a", vitaleATR, 1)
	card.gate = make(chan struct{})
	h := takeFake(t, f, patience)
	result := make(chan error)
	go func() {
		_, err := h.Transmit(apdu)
		result <- err
	}()
	eventually(t, "command at the card", func() bool { return get(f, func() int { return card.commands }) == 1 })
	h.release()
	require.ErrorIs(t, <-result, session.ErrCardLost)
	close(card.gate)
	<-h.free
	require.Equal(t, 1, card.powerDowns, "powered down once the command has ended")
}

func TestCommandThatNeverEndsLosesTheCard(t *testing.T) {
	f := newFake("a")
	card := f.insert("a", vitaleATR, 1)
	card.gate = make(chan struct{})
	h := takeFake(t, f, 20*time.Millisecond)
	_, err := h.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost)
	<-h.lost
	close(card.gate)
}

func TestTakingThatBlocksIsGivenUpAndDoesNotPileUp(t *testing.T) {
	f := newFake("a")
	f.insert("a", vitaleATR, 1)
	block := make(chan struct{})
	f.do(func() { f.block = block })
	o := &holder{service: f, limit: 20 * time.Millisecond, command: patience}
	s := seat{"a", insertion{number: 1, counter: 1, kind: KindVitale2, usable: true}}
	for range 5 {
		_, err := o.take(t.Context(), s)
		require.ErrorIs(t, err, errReaderStuck)
	}
	require.Equal(t, 1, get(f, func() int { return f.open }), "one attempt a reader")
	f.do(func() { f.block = nil })
	close(block)
	eventually(t, "the late card is let go", func() bool { return get(f, func() int { return f.open + f.holds }) == 0 })
	var h *held
	eventually(t, "the reader can be tried again", func() bool {
		var err error
		h, err = o.take(t.Context(), s)
		return err == nil
	})
	h.release()
	<-h.free
}

// TestTransactionOfAnotherProgramIsNoStuckReader: PC/SC has whoever connects wait until the transaction has ended.
func TestTransactionOfAnotherProgramIsNoStuckReader(t *testing.T) {
	f := newFake("a")
	f.insert("a", vitaleATR, 1)
	block := make(chan struct{})
	f.do(func() { f.block, f.reader("a").shared = block, true })
	o := &holder{service: f, limit: 20 * time.Millisecond, command: patience}
	s := seat{"a", insertion{number: 1, counter: 1, kind: KindVitale2, usable: true}}
	for range 3 {
		_, err := o.take(t.Context(), s)
		require.ErrorIs(t, err, errHeldByOther)
	}
	require.Equal(t, map[string]Hold{"a": HoldBusy}, o.pending())
	f.do(func() { f.block, f.reader("a").shared = nil, false })
	close(block)
	eventually(t, "the late card is let go", func() bool { return get(f, func() int { return f.open + f.holds }) == 0 })
	require.Eventually(t, func() bool { return len(o.pending()) == 0 }, patience, time.Millisecond)
}

func TestTakingEndsWithItsContext(t *testing.T) {
	f := newFake("a")
	f.insert("a", vitaleATR, 1)
	block := make(chan struct{})
	f.do(func() { f.block, f.reader("a").shared = block, true })
	o := &holder{service: f, limit: patience, command: patience}
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		_, err := o.take(ctx, seat{"a", insertion{number: 1, counter: 1, kind: KindVitale2}})
		require.ErrorIs(t, err, context.Canceled)
	})
	cancel()
	run.Wait()
	close(block)
	eventually(t, "the late card is let go", func() bool { return get(f, func() int { return f.open + f.holds }) == 0 })
}
