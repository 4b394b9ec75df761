package tla

import (
	"context"
	"encoding/hex"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/session"
)

// Tests wait more than they work.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}

// patience is for what must happen, on however slow a machine.
const patience = 2 * time.Minute

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, patience, time.Millisecond, what)
}

// watchFake runs a watcher over a fake for the time of the test.
func watchFake(t *testing.T, f *fakePCSC) *Readers {
	r := NewReaders(ReadersConfig{pcsc: f})
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { require.NoError(t, r.Run(ctx)) })
	t.Cleanup(func() {
		cancel()
		runs.Wait()
		require.Zero(t, get(f, func() int { return f.open }), "a PC/SC context is left open")
		require.Zero(t, get(f, func() int { return f.holds }), "a card is left connected")
	})
	return r
}

// seen says which reader holds the slot; "" = none.
func (r *Readers) seen(s session.Slot) string {
	seats, _ := r.now()
	if seats[s] == nil {
		return ""
	}
	return seats[s].reader
}

func TestIdentify(t *testing.T) {
	for _, c := range []struct {
		atr  string
		kind Kind
		slot session.Slot
		ok   bool
	}{
		{"3B751300004509EA9000", KindVitale2, session.SlotVitale, true},
		{"3B751300004209EA9000", KindVitale2, session.SlotVitale, true},
		{"3B751300005509EA9000", KindUnknown, 0, false},
		{"3B751300004509EA900000", KindUnknown, 0, false},
		{"3B751300004509EA90", KindUnknown, 0, false},
		{"3F65250052096A9000", KindVitale1, session.SlotVitale, true},
		{"3F65250852096A9000", KindUnknown, 0, false},
		{"3BAC00402A001225006480000310009000", KindCPS3, session.SlotCPS, true},
		{"3B9B188001001225006480040100009044", KindCPS4, session.SlotCPS, true},
		{"3B9B188001001225006480040100009045", KindUnknown, 0, false},
		{"3B00", KindUnknown, 0, false},
		{"", KindMute, 0, false},
	} {
		atr, err := hex.DecodeString(c.atr)
		require.NoError(t, err)
		kind, slot, ok := identify(atr)
		require.Equal(t, c.kind, kind, c.atr)
		require.Equal(t, c.slot, slot, c.atr)
		require.Equal(t, c.ok, ok, c.atr)
	}
}

func TestCardInAnyReaderTakesTheSlotOfItsRole(t *testing.T) {
	f := newFake("a", "b", "c")
	r := watchFake(t, f)
	f.insert("c", vitaleATR, 1)
	f.insert("a", cpsATR, 2)
	f.insert("b", strangeATR, 3)
	eventually(t, "both seats", func() bool { return r.seen(session.SlotVitale) == "c" && r.seen(session.SlotCPS) == "a" })
	eventually(t, "the strange card", func() bool { return r.current().card("b").kind == KindUnknown })
	require.False(t, r.current().card("b").usable)
	f.remove("c")
	eventually(t, "removal", func() bool { return r.seen(session.SlotVitale) == "" })
	require.Equal(t, "a", r.seen(session.SlotCPS))
}

func TestSecondCardOfARoleIsIgnoredUntilTheFirstIsOut(t *testing.T) {
	f := newFake("a", "b")
	r := watchFake(t, f)
	f.insert("b", vitaleATR, 1)
	eventually(t, "the first", func() bool { return r.seen(session.SlotVitale) == "b" })
	f.insert("a", vitaleATR, 2)
	eventually(t, "the second", func() bool { return r.current().card("a").number != 0 })
	require.Equal(t, "b", r.seen(session.SlotVitale))
	require.False(t, r.current().card("a").seated)
	require.True(t, r.current().card("b").seated)
	f.remove("b")
	eventually(t, "the second takes the slot", func() bool { return r.seen(session.SlotVitale) == "a" })
}

func TestSwapBetweenTwoLooksIsSeen(t *testing.T) {
	f := newFake("a")
	r := watchFake(t, f)
	f.insert("a", vitaleATR, 1)
	eventually(t, "the first", func() bool { return r.seen(session.SlotVitale) == "a" })
	first, _ := r.now()
	f.swap("a", vitaleATR, 2)
	eventually(t, "another insertion", func() bool {
		now, _ := r.now()
		return now[session.SlotVitale] != nil && now[session.SlotVitale].number > first[session.SlotVitale].number
	})
}

func TestSameCounterOtherKindIsAnotherCard(t *testing.T) {
	var table table
	table.keep([]string{"a"})
	present := func(atr []byte) { table.apply([]look{{reader: "a", event: 1<<counterShift | statePresent, atr: atr}}) }
	present(vitaleATR)
	first := table.places[0].card
	present(vitaleATR)
	require.Same(t, first, table.places[0].card)
	present(nil)
	require.Same(t, first, table.places[0].card, "a powered-down card shows no ATR")
	present(cpsATR)
	require.Greater(t, table.places[0].card.number, first.number)
	require.Nil(t, table.seats()[session.SlotVitale])
}

func TestMuteCardIsKnownOnceItSpeaks(t *testing.T) {
	var table table
	table.keep([]string{"a"})
	table.apply([]look{{reader: "a", event: 1<<counterShift | statePresent | stateMute}})
	require.Equal(t, KindMute, table.places[0].card.kind)
	require.Nil(t, table.seats()[session.SlotCPS])
	table.apply([]look{{reader: "a", event: 1<<counterShift | statePresent, atr: cpsATR}})
	require.Equal(t, KindCPS4, table.seats()[session.SlotCPS].kind)
}

func TestReaderUnpluggedAndPlugged(t *testing.T) {
	f := newFake("a")
	r := watchFake(t, f)
	f.insert("a", cpsATR, 1)
	eventually(t, "the card", func() bool { return r.seen(session.SlotCPS) == "a" })
	f.unplug("a")
	eventually(t, "no reader", func() bool { return len(r.current().places) == 0 && r.seen(session.SlotCPS) == "" })
	require.Empty(t, r.current().service)
	f.plug("b")
	f.insert("b", cpsATR, 1)
	eventually(t, "the other reader", func() bool { return r.seen(session.SlotCPS) == "b" })
}

func TestServiceAbsentStoppedRestarted(t *testing.T) {
	f := newFake("a")
	f.setDown(true)
	r := watchFake(t, f)
	require.NotEmpty(t, r.current().service)
	f.insert("a", cpsATR, 1)
	f.setDown(false)
	eventually(t, "the card", func() bool { return r.seen(session.SlotCPS) == "a" && r.current().service == "" })
	before, _ := r.now()
	f.setDown(true)
	eventually(t, "reported", func() bool { return r.current().service != "" && r.seen(session.SlotCPS) == "" })
	f.setDown(false)
	eventually(t, "back", func() bool { return r.seen(session.SlotCPS) == "a" })
	after, _ := r.now()
	require.Greater(t, after[session.SlotCPS].number, before[session.SlotCPS].number, "a restart may hide a swap: it counts as an insertion")
}

func TestPlugCyclesLeaveNothing(t *testing.T) {
	f := newFake("a", "b")
	r := watchFake(t, f)
	for i := range 300 {
		f.insert("a", vitaleATR, byte(i))
		eventually(t, "in", func() bool { return r.seen(session.SlotVitale) == "a" })
		f.remove("a")
		eventually(t, "out", func() bool { return r.seen(session.SlotVitale) == "" })
	}
	require.Equal(t, 1, get(f, func() int { return f.open }))
}
