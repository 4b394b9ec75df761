package cards

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/session"
	"tlagate/tla/cards/cardstest"
	"tlagate/tla/cards/internal/pcsc"
)

// watch runs a watcher of a fake for as long as the test runs.
func watch(t *testing.T, f *cardstest.Service) *Readers {
	r := NewReaders(ReadersConfig{Service: f})
	f.During(t, r.Run)
	return r
}

// seen returns which reader has the card of the slot; "" = none.
func (r *Readers) seen(s session.Slot) string {
	occupants, _ := r.Now()
	if occupants[s] == nil {
		return ""
	}
	return occupants[s].Reader
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
	f := cardstest.New("a", "b", "c")
	r := watch(t, f)
	f.Insert("c", cardstest.VitaleATR, 1)
	f.Insert("a", cardstest.CPSATR, 2)
	f.Insert("b", cardstest.StrangeATR, 3)
	eventually(t, "both slots", func() bool {
		return r.seen(session.SlotVitale) == "c" && r.seen(session.SlotCPS) == "a"
	})
	eventually(t, "the strange card", func() bool { return r.View().card("b").Kind == KindUnknown })
	require.False(t, r.View().card("b").Usable)
	f.Remove("c")
	eventually(t, "removal", func() bool { return r.seen(session.SlotVitale) == "" })
	require.Equal(t, "a", r.seen(session.SlotCPS))
}

func TestSecondCardOfARoleIsIgnoredUntilTheFirstIsOut(t *testing.T) {
	f := cardstest.New("a", "b")
	r := watch(t, f)
	f.Insert("b", cardstest.VitaleATR, 1)
	eventually(t, "the first", func() bool { return r.seen(session.SlotVitale) == "b" })
	f.Insert("a", cardstest.VitaleATR, 2)
	eventually(t, "the second", func() bool { return r.View().card("a").Number != 0 })
	require.Equal(t, "b", r.seen(session.SlotVitale))
	require.False(t, r.View().card("a").HasSlot)
	require.True(t, r.View().card("b").HasSlot)
	f.Remove("b")
	eventually(t, "the second takes the slot", func() bool { return r.seen(session.SlotVitale) == "a" })
}

func TestSwapBetweenTwoLooksIsSeen(t *testing.T) {
	f := cardstest.New("a")
	r := watch(t, f)
	f.Insert("a", cardstest.VitaleATR, 1)
	eventually(t, "the first", func() bool { return r.seen(session.SlotVitale) == "a" })
	first, _ := r.Now()
	f.Swap("a", cardstest.VitaleATR, 2)
	eventually(t, "another insertion", func() bool {
		now, _ := r.Now()
		return now[session.SlotVitale] != nil && now[session.SlotVitale].Number > first[session.SlotVitale].Number
	})
}

func TestSameCounterOtherKindIsAnotherCard(t *testing.T) {
	var table table
	table.follow([]string{"a"})
	present := func(atr []byte) {
		table.apply([]pcsc.Look{{Reader: "a", Event: 1<<pcsc.CounterShift | pcsc.Present, ATR: atr}})
	}
	present(cardstest.VitaleATR)
	first := table.readers[0].card
	present(cardstest.VitaleATR)
	require.Same(t, first, table.readers[0].card)
	present(nil)
	require.Same(t, first, table.readers[0].card, "a powered-down card shows no ATR")
	present(cardstest.CPSATR)
	require.Greater(t, table.readers[0].card.Number, first.Number)
	require.Nil(t, table.occupants()[session.SlotVitale])
}

func TestMuteCardIsKnownOnceItSpeaks(t *testing.T) {
	var table table
	table.follow([]string{"a"})
	table.apply([]pcsc.Look{{Reader: "a", Event: 1<<pcsc.CounterShift | pcsc.Present | pcsc.Mute}})
	require.Equal(t, KindMute, table.readers[0].card.Kind)
	require.Nil(t, table.occupants()[session.SlotCPS])
	table.apply([]pcsc.Look{{Reader: "a", Event: 1<<pcsc.CounterShift | pcsc.Present, ATR: cardstest.CPSATR}})
	require.Equal(t, KindCPS4, table.occupants()[session.SlotCPS].Kind)
}

func TestACardLacksOnceItIsKnownWhatIsInEachReader(t *testing.T) {
	r := NewReaders(ReadersConfig{Service: cardstest.New("a", "b")})
	require.False(t, r.Lack(session.SlotCPS), "nobody has looked")
	look := func(a, b pcsc.Look) bool {
		a.Reader, b.Reader = "a", "b"
		r.update(func() { r.table.apply([]pcsc.Look{a, b}) })
		return r.Lack(session.SlotCPS)
	}
	r.follow([]string{"a", "b"})
	require.False(t, r.Lack(session.SlotCPS), "no reader was looked at")
	empty := pcsc.Look{Event: 1 << 4}
	require.True(t, look(empty, empty))
	require.False(t, look(empty, pcsc.Look{Event: pcsc.Present}))
	require.False(t, look(empty, pcsc.Look{Event: pcsc.Present, ATR: cardstest.CPSATR}))
	require.True(t, look(empty, pcsc.Look{Event: pcsc.Present, ATR: cardstest.VitaleATR}))
	require.True(t, look(pcsc.Look{Event: pcsc.Present | pcsc.Mute}, empty))
	r.lose(errors.New("gone"))
	require.True(t, r.Lack(session.SlotCPS), "there is nothing to wait for")
}

func TestReaderUnpluggedAndPlugged(t *testing.T) {
	f := cardstest.New("a")
	r := watch(t, f)
	f.Insert("a", cardstest.CPSATR, 1)
	eventually(t, "the card", func() bool { return r.seen(session.SlotCPS) == "a" })
	f.Unplug("a")
	eventually(t, "no reader", func() bool { return len(r.View().Readers) == 0 && r.seen(session.SlotCPS) == "" })
	require.Empty(t, r.View().Service)
	f.Plug("b")
	f.Insert("b", cardstest.CPSATR, 1)
	eventually(t, "the other reader", func() bool { return r.seen(session.SlotCPS) == "b" })
}

func TestServiceAbsentStoppedRestarted(t *testing.T) {
	f := cardstest.New("a")
	f.SetDown(true)
	r := watch(t, f)
	require.NotEmpty(t, r.View().Service)
	f.Insert("a", cardstest.CPSATR, 1)
	f.SetDown(false)
	eventually(t, "the card", func() bool { return r.seen(session.SlotCPS) == "a" && r.View().Service == "" })
	before, _ := r.Now()
	f.SetDown(true)
	eventually(t, "reported", func() bool { return r.View().Service != "" && r.seen(session.SlotCPS) == "" })
	f.SetDown(false)
	eventually(t, "back", func() bool { return r.seen(session.SlotCPS) == "a" })
	after, _ := r.Now()
	require.Greater(t, after[session.SlotCPS].Number, before[session.SlotCPS].Number,
		"a restart may hide a swap: it counts as an insertion")
}

func TestPlugCyclesLeaveNothing(t *testing.T) {
	f := cardstest.New("a", "b")
	r := watch(t, f)
	for i := range 300 {
		f.Insert("a", cardstest.VitaleATR, byte(i))
		eventually(t, "in", func() bool { return r.seen(session.SlotVitale) == "a" })
		f.Remove("a")
		eventually(t, "out", func() bool { return r.seen(session.SlotVitale) == "" })
	}
	require.Equal(t, 1, f.Count(&f.Contexts))
}
