package integration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/cardsim"
	"tlagate/integration/world"
	"tlagate/internal/nettest"
	"tlagate/pdt"
	"tlagate/pdt/vpcd"
	"tlagate/session"
)

// simCard is a simulated card in a reader of the TLA, without a pcscd.
type simCard struct{ cardsim.Card }

func (c simCard) Transmit(apdu []byte) ([]byte, error) { return c.Process(apdu), nil }

func (c simCard) Reset(kind session.ResetKind) ([]byte, error) {
	switch kind {
	case session.ResetWarm:
		c.Card.Reset()
	case session.ResetCold:
		c.Card.PowerOff()
		c.Card.PowerOn()
	default:
		c.Card.PowerOff()
		return nil, nil
	}
	return append([]byte(nil), c.ATR()...), nil
}

// bareSession is a card session over loopback, whose cards the PdT shows to programs through a real driver.
type bareSession struct {
	t        testing.TB
	terminal *session.Terminal
	w        *session.Workstation
	readers  [session.Slots]pdt.Reader

	shows  sync.WaitGroup
	turn   [session.Slots]sync.Mutex // one Show at a time
	remove [session.Slots]context.CancelFunc
}

func newBareSession(t testing.TB, p *world.PCSCD) *bareSession {
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	readers, err := vpcd.New(vpcd.Config{Port: p.Readers[0].Port, Log: log})
	require.NoError(t, err)
	return newBareSessionOf(t, readers)
}

func newBareSessionOf(t testing.TB, readers [session.Slots]pdt.Reader) *bareSession {
	s := &bareSession{t: t, readers: readers}
	var err error
	a, b := nettest.Pair(t)
	unhurried := session.Timers{Heartbeat: time.Hour}
	id := session.NewID()
	opened := make(chan error, 1)
	go func() {
		var err error
		s.terminal, err = session.OpenTerminal(a, session.TerminalConfig{ID: id, Timers: unhurried})
		opened <- err
	}()
	s.w, err = session.OpenWorkstation(b, session.WorkstationConfig{Session: id.String(), Timers: unhurried,
		Inserted: s.inserted, Removed: s.removed, Shows: true})
	require.NoError(t, errors.Join(err, <-opened))
	ctx, stop := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { _ = s.terminal.Run(ctx) })
	runs.Go(func() { _ = s.w.Run(ctx); s.removed(session.SlotVitale); s.removed(session.SlotCPS) })
	t.Cleanup(func() { stop(); runs.Wait(); s.shows.Wait() })
	return s
}

func (s *bareSession) inserted(slot session.Slot, in session.Inserted) {
	ctx, cancel := context.WithCancel(context.Background())
	s.remove[slot] = cancel
	card := pdt.NewCard(ctx, slot, in, s.w)
	s.shows.Go(func() {
		s.turn[slot].Lock()
		defer s.turn[slot].Unlock()
		s.readers[slot].Show(ctx, card)
	})
}

func (s *bareSession) removed(slot session.Slot) {
	if s.remove[slot] != nil {
		s.remove[slot]()
	}
}

func (s *bareSession) insert(slot session.Slot, card cardsim.Card) {
	card.PowerOn()
	s.insertAs(slot, card.ATR(), simCard{card})
}

func (s *bareSession) insertAs(slot session.Slot, atr []byte, card session.Card) {
	require.NoError(s.t, s.terminal.Insert(slot, atr, session.T0, card))
}

// waitShown waits until the terminal is told that programs see the card.
func (s *bareSession) waitShown(slot session.Slot) {
	s.t.Helper()
	require.Eventually(s.t, func() bool { return s.terminal.Shown(slot) }, patience, time.Millisecond)
}

// TestDriverShowsTheCardsOfASession: unmodified programs read both cards of a session.
func TestDriverShowsTheCardsOfASession(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "tlagate")
	s := newBareSession(t, p)
	v, c := cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000042"}), newCPS(t)
	s.insert(session.SlotCPS, c)
	s.waitShown(session.SlotCPS)
	require.True(t, readers(tool(t, p, "opensc-tool", "-l"))[slotName(p, cpsSlot)], "at once")
	listObjects(t, p, c) // with no other card in: pkcs11-tool takes the first one, known or not
	signWith9E(t, p, c)
	s.insert(session.SlotVitale, v)
	waitCard(t, p, vitaleSlot, true)
	atr := tool(t, p, "opensc-tool", "--reader", slotName(p, vitaleSlot), "-a")
	require.Equal(t, fmt.Sprintf("%x", v.ATR()), strings.ReplaceAll(strings.TrimSpace(atr), ":", ""))
	require.Equal(t, []string{serialFile(v)}, send(t, p, vitaleSlot, readSerial))
	require.NoError(t, s.terminal.Remove(session.SlotVitale))
	waitCard(t, p, vitaleSlot, false)
}

// TestDriverShowsASwapAsARemoval: the card is swapped without a pause, while a program goes on reading. Its handle
// never reads the other card, and every exchange ends with a status word or an error.
func TestDriverShowsASwapAsARemoval(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "tlagate")
	s := newBareSession(t, p)
	cards := []*cardsim.Vitale{cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000001"}),
		cardsim.NewVitale(cardsim.VitaleConfig{Serial: "0000000002"})}
	s.insert(session.SlotVitale, cards[0])
	for i := range 5 {
		here, next := cards[i%2], cards[(i+1)%2]
		waitCard(t, p, vitaleSlot, true)
		c := startClient(t, p)
		require.Equal(t, "ok", c.do("connect "+slotName(p, vitaleSlot)))
		require.Equal(t, serialFile(here), c.transmit(readSerial))
		require.NoError(t, s.terminal.Remove(session.SlotVitale))
		s.insert(session.SlotVitale, next)
		for {
			answer := c.transmit(readSerial)
			require.NotContains(t, answer, serialFile(next))
			require.NotEmpty(t, answer, "an empty success")
			if answer == "error 80100069" {
				break
			}
		}
	}
}

// TestSecurityStateEndsWithTheProgram: a program's reset or power-off is a real one at the card; without either, the
// card keeps its state.
func TestSecurityStateEndsWithTheProgram(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "tlagate")
	s := newBareSession(t, p)
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insert(session.SlotVitale, v)
	waitCard(t, p, vitaleSlot, true)
	c := startClient(t, p)
	require.Equal(t, "ok", c.do("connect "+slotName(p, vitaleSlot)))
	before := v.Counts()
	require.Equal(t, "ok", c.do("reset"))
	require.Equal(t, before.Resets+1, v.Counts().Resets)
	require.Equal(t, "ok", c.do("unpower"))
	require.Equal(t, before.PowerOns+1, v.Counts().PowerOns)
	require.Equal(t, serialFile(v), c.transmit(readSerial))
}

// TestDriverRestartsUnderACard: pcscd is killed and comes back; the card was reset before the first program reads it.
func TestDriverRestartsUnderACard(t *testing.T) {
	t.Parallel()
	p := startPCSCD(t, "tlagate")
	s := newBareSession(t, p)
	v := cardsim.NewVitale(cardsim.VitaleConfig{})
	s.insert(session.SlotVitale, v)
	waitCard(t, p, vitaleSlot, true)
	before := v.Counts().PowerOns
	p.Kill()
	require.NoError(t, p.Start())
	waitCard(t, p, vitaleSlot, true)
	require.Greater(t, v.Counts().PowerOns, before)
	require.Equal(t, []string{serialFile(v)}, send(t, p, vitaleSlot, readSerial))
}
