package cards

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/cards/internal/pcsc"
)

// taking takes the card of a fake for as long as the test runs.
func taking(t *testing.T, f *cardstest.Service, command time.Duration) *Lease {
	t.Helper()
	tk := taker(f, patience)
	tk.limits.Command = command
	l, err := tk.Take(t.Context(), occupant(t, f), nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		l.letGo()
		<-l.free
		require.True(t, nothingOpen(f))
	})
	return l
}

// nothingOpen reports whether no PC/SC context and no card is left open.
func nothingOpen(f *cardstest.Service) bool {
	return cardstest.Get(f, func() int { return f.Contexts + f.Connected }) == 0
}

// taker returns a taker of a fake's cards, with that limit for each.
func taker(f *cardstest.Service, take time.Duration) *Taker {
	return NewTaker(NewReaders(ReadersConfig{Service: f}), Limits{Take: take, Command: patience, Release: patience})
}

// occupant returns the card that is in.
func occupant(t *testing.T, f *cardstest.Service) Occupant {
	t.Helper()
	ctx, err := f.Establish()
	require.NoError(t, err)
	defer ctx.Release()
	names, err := ctx.Readers()
	require.NoError(t, err)
	var tab table
	tab.follow(names)
	looks := tab.looks()
	require.NoError(t, ctx.Wait(looks, time.Second))
	tab.apply(looks)
	for _, o := range tab.occupants() {
		if o != nil {
			return *o
		}
	}
	t.Fatal("no card in the fake")
	return Occupant{}
}

var apdu = []byte{0, 0xB0, 0, 0, 0}

func TestTakenCardIsColdResetAndPoweredDownAfterwards(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.VitaleATR, 7)
	card.Unlocked = true
	l := taking(t, f, patience)
	require.Equal(t, 1, card.Colds)
	require.False(t, card.Unlocked, "nothing an earlier program was allowed remains")
	require.Equal(t, cardstest.VitaleATR, l.ATR)
	answer, err := l.Transmit(apdu)
	require.NoError(t, err)
	require.Equal(t, []byte{7, 0x90, 0}, answer)
	l.letGo()
	<-l.free
	require.Equal(t, 1, card.PowerDowns)
	require.False(t, card.Powered || card.Unlocked)
	_, err = l.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost, "no command after the release")
	require.Equal(t, 1, card.Commands)
}

func TestResets(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.CPSATR, 1)
	l := taking(t, f, patience)
	for _, kind := range []session.ResetKind{session.ResetWarm, session.ResetCold, session.PowerOff} {
		_, err := l.Transmit(apdu)
		require.NoError(t, err)
		require.True(t, card.Unlocked)
		atr, err := l.Reset(kind)
		require.NoError(t, err)
		require.False(t, card.Unlocked, "kind %d", kind)
		if kind == session.PowerOff {
			require.Empty(t, atr)
		} else {
			require.Equal(t, cardstest.CPSATR, atr)
		}
	}
	require.Equal(t, 1, card.Warms)
	require.Equal(t, 3, card.Colds, "taking, cold reset, power off")
}

func TestSwappedCardIsNeverReadThroughTheOldHold(t *testing.T) {
	f := cardstest.New("a")
	f.Insert("a", cardstest.VitaleATR, 1)
	l := taking(t, f, patience)
	other := f.Swap("a", cardstest.VitaleATR, 2)
	_, err := l.Reset(session.ResetCold)
	require.ErrorIs(t, err, session.ErrCardLost, "a reset of PC/SC would revive the handle for the other card")
	_, err = l.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost)
	<-l.over
	require.Zero(t, other.Commands)
}

func TestReleaseDoesNotWaitForACommand(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.VitaleATR, 1)
	card.Gate = make(chan struct{})
	l := taking(t, f, patience)
	result := make(chan error)
	go func() {
		_, err := l.Transmit(apdu)
		result <- err
	}()
	eventually(t, "command at the card", func() bool { return f.Count(&card.Commands) == 1 })
	l.letGo()
	require.ErrorIs(t, <-result, session.ErrCardLost)
	close(card.Gate)
	<-l.free
	require.Equal(t, 1, card.PowerDowns, "powered down once the command has ended")
}

func TestCommandThatNeverEndsLosesTheCard(t *testing.T) {
	f := cardstest.New("a")
	card := f.Insert("a", cardstest.VitaleATR, 1)
	card.Gate = make(chan struct{})
	l := taking(t, f, 20*time.Millisecond)
	_, err := l.Transmit(apdu)
	require.ErrorIs(t, err, session.ErrCardLost)
	<-l.over
	close(card.Gate)
}

func TestTakingThatBlocksIsGivenUpAndDoesNotPileUp(t *testing.T) {
	f := cardstest.New("a")
	f.Insert("a", cardstest.VitaleATR, 1)
	block := make(chan struct{})
	f.Do(func() { f.Block = block })
	tk := taker(f, 20*time.Millisecond)
	o := Occupant{"a", Insertion{Number: 1, counter: 1, Kind: KindVitale2, Usable: true}}
	for range 5 {
		_, err := tk.Take(t.Context(), o, nil)
		require.ErrorIs(t, err, errStuck)
	}
	require.Equal(t, 1, f.Count(&f.Contexts), "one attempt a reader")
	f.Do(func() { f.Block = nil })
	close(block)
	eventually(t, "the late card is let go", func() bool { return nothingOpen(f) })
	var l *Lease
	eventually(t, "the reader can be tried again", func() bool {
		var err error
		l, err = tk.Take(t.Context(), o, nil)
		return err == nil
	})
	l.letGo()
	<-l.free
}

// TestTransactionOfAnotherProgramIsNoStuckReader: PC/SC has whoever connects wait until the transaction has ended.
func TestTransactionOfAnotherProgramIsNoStuckReader(t *testing.T) {
	f := cardstest.New("a")
	f.Insert("a", cardstest.VitaleATR, 1)
	block := make(chan struct{})
	f.Do(func() { f.Block, f.Reader("a").Shared = block, true })
	tk := taker(f, 20*time.Millisecond)
	o := Occupant{"a", Insertion{Number: 1, counter: 1, Kind: KindVitale2, Usable: true}}
	for range 3 {
		_, err := tk.Take(t.Context(), o, nil)
		require.ErrorIs(t, err, pcsc.ErrBusy)
	}
	require.Equal(t, map[string]Hold{"a": HoldBusy}, tk.Pending())
	f.Do(func() { f.Block, f.Reader("a").Shared = nil, false })
	close(block)
	eventually(t, "the late card is let go", func() bool { return nothingOpen(f) })
	require.Eventually(t, func() bool { return len(tk.Pending()) == 0 }, patience, time.Millisecond)
}

func TestTakingEndsWithItsContext(t *testing.T) {
	f := cardstest.New("a")
	f.Insert("a", cardstest.VitaleATR, 1)
	block := make(chan struct{})
	f.Do(func() { f.Block, f.Reader("a").Shared = block, true })
	tk := taker(f, patience)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	run.Go(func() {
		_, err := tk.Take(ctx, Occupant{"a", Insertion{Number: 1, counter: 1, Kind: KindVitale2}}, nil)
		require.ErrorIs(t, err, context.Canceled)
	})
	cancel()
	run.Wait()
	close(block)
	eventually(t, "the late card is let go", func() bool { return nothingOpen(f) })
}
