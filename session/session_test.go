package session

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"tlagate/internal/nettest"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

// unhurried lets no heartbeat end the session of a test, however slow the machine is.
var unhurried = Timers{Heartbeat: time.Hour}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeCard answers every command with its data reversed and 9000.
type fakeCard struct {
	commands, resets atomic.Int32
	gate             chan struct{} // not nil = a command waits for it
	err              error
}

var fakeATR = []byte{0x3B, 0x00}

func (c *fakeCard) Transmit(apdu []byte) ([]byte, error) {
	c.commands.Add(1)
	if c.gate != nil {
		<-c.gate
	}
	return append(append([]byte(nil), apdu...), 0x90, 0x00), c.err
}

func (c *fakeCard) Reset(ResetKind) ([]byte, error) {
	c.resets.Add(1)
	return append([]byte(nil), fakeATR...), c.err
}

// pair is a running session over loopback.
type pair struct {
	t        *Terminal
	w        *Workstation
	inserted chan Inserted
	removed  chan Slot
	shown    chan Slot
	endT     chan error
	endW     chan error
	commands atomic.Int32 // that reached a card
	taken    atomic.Int32 // that a prediction had executed
}

// drain reads what the end under test says, until it closes.
func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

func newPair(t *testing.T) *pair { return startPair(t, TerminalConfig{}, WorkstationConfig{}) }

// startPair starts a session whose ends are as given; it fills in the rest.
func startPair(t *testing.T, tla TerminalConfig, pdt WorkstationConfig) *pair {
	a, b := nettest.Pair(t)
	p := &pair{inserted: make(chan Inserted, 9), removed: make(chan Slot, 9), shown: make(chan Slot, 9),
		endT: make(chan error, 1), endW: make(chan error, 1)}
	id := NewID()
	var err error
	tla.ID, tla.Timers, tla.OnShown = id, unhurried, func(s Slot) { p.shown <- s }
	tla.OnCommand, tla.OnTaken = func(Slot) { p.commands.Add(1) }, func(Slot) { p.taken.Add(1) }
	p.t, err = OpenTerminal(a, tla)
	require.NoError(t, err)
	pdt.Session, pdt.Shows, pdt.Timers = id.String(), true, unhurried
	pdt.Inserted, pdt.Removed = func(_ Slot, i Inserted) { p.inserted <- i }, func(s Slot) { p.removed <- s }
	p.w, err = OpenWorkstation(b, pdt)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var runs sync.WaitGroup
	runs.Go(func() { p.endT <- p.t.Run(ctx) })
	runs.Go(func() { p.endW <- p.w.Run(ctx) })
	t.Cleanup(func() { cancel(); runs.Wait() })
	<-p.t.Up()
	return p
}

func TestExchange(t *testing.T) {
	p := newPair(t)
	card := new(fakeCard)
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, card))
	in := <-p.inserted
	require.Equal(t, Inserted{1, T1, fakeATR}, in)
	apdu := []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}
	got, err := p.w.Transmit(t.Context(), SlotCPS, in.Epoch, apdu)
	require.NoError(t, err)
	require.Equal(t, append(apdu, 0x90, 0), got)
	epoch, atr, err := p.w.Reset(t.Context(), SlotCPS, in.Epoch, ResetCold)
	require.NoError(t, err)
	require.Equal(t, uint32(2), epoch)
	require.Equal(t, fakeATR, atr)
	_, err = p.w.Transmit(t.Context(), SlotCPS, in.Epoch, apdu)
	require.ErrorIs(t, err, StaleEpoch)
	_, err = p.w.Transmit(t.Context(), SlotVitale, 0, apdu)
	require.ErrorIs(t, err, NoCard)
	require.EqualValues(t, 1, card.commands.Load())
}

func TestExtendedAPDU(t *testing.T) {
	p := newPair(t)
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, new(fakeCard)))
	apdu := make([]byte, MaxResponse-2)
	got, err := p.w.Transmit(t.Context(), SlotCPS, (<-p.inserted).Epoch, apdu)
	require.NoError(t, err)
	require.Len(t, got, MaxResponse)
}

func TestCardRemovedMidCommand(t *testing.T) {
	p := newPair(t)
	old := &fakeCard{gate: make(chan struct{})}
	require.NoError(t, p.t.Insert(SlotVitale, fakeATR, T0, old))
	in := <-p.inserted
	result := make(chan error)
	go func() {
		_, err := p.w.Transmit(context.Background(), SlotVitale, in.Epoch, make([]byte, 4))
		result <- err
	}()
	require.Eventually(t, func() bool { return old.commands.Load() == 1 }, patience, time.Millisecond)
	require.NoError(t, p.t.Remove(SlotVitale))
	require.NoError(t, p.t.Insert(SlotVitale, fakeATR, T0, new(fakeCard)))
	close(old.gate)
	require.ErrorIs(t, <-result, Unknown)
	require.Equal(t, SlotVitale, <-p.removed)
	second := <-p.inserted
	require.Greater(t, second.Epoch, in.Epoch)
	_, err := p.w.Transmit(t.Context(), SlotVitale, in.Epoch, make([]byte, 4))
	require.ErrorIs(t, err, StaleEpoch, "the old epoch must never read the new card")
}

func TestReaderFails(t *testing.T) {
	p := newPair(t)
	card := &fakeCard{err: errors.New("reader fails")}
	require.NoError(t, p.t.Insert(SlotVitale, fakeATR, T0, card))
	in := <-p.inserted
	_, err := p.w.Transmit(t.Context(), SlotVitale, in.Epoch, make([]byte, 4))
	require.ErrorIs(t, err, Failed)
	epoch, _, err := p.w.Reset(t.Context(), SlotVitale, in.Epoch, ResetCold)
	require.ErrorIs(t, err, Failed)
	require.Equal(t, in.Epoch+1, epoch, "a failed reset opens an epoch too, and says which")
	in.Epoch = epoch
	card.err = ErrCardLost
	_, err = p.w.Transmit(t.Context(), SlotVitale, in.Epoch, make([]byte, 4))
	require.ErrorIs(t, err, Unknown)
}

func TestAbandonedCommandFreesItsSlotWhenAnswered(t *testing.T) {
	p := newPair(t)
	card := &fakeCard{gate: make(chan struct{})}
	require.NoError(t, p.t.Insert(SlotVitale, fakeATR, T0, card))
	in := <-p.inserted
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := p.w.Transmit(ctx, SlotVitale, in.Epoch, make([]byte, 4))
		result <- err
	}()
	require.Eventually(t, func() bool { return card.commands.Load() == 1 }, patience, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-result, context.Canceled)
	close(card.gate)
	got, err := p.w.Transmit(t.Context(), SlotVitale, in.Epoch, []byte{1, 2, 3, 4})
	require.NoError(t, err)
	require.Equal(t, []byte{1, 2, 3, 4, 0x90, 0}, got)
}

func TestByeIsHeard(t *testing.T) {
	p := newPair(t)
	p.t.Leave(ByeStopped, "The user ended the session.\n")
	var bye *Bye
	require.ErrorAs(t, <-p.endW, &bye)
	require.Equal(t, ByeStopped, bye.Code)
	require.Equal(t, "The user ended the session. ", bye.Text)
	require.ErrorAs(t, <-p.endT, &bye)
}

func TestBusyRefusal(t *testing.T) {
	a, b := nettest.Pair(t)
	id := NewID()
	term, err := OpenTerminal(a, TerminalConfig{ID: id, Timers: unhurried})
	require.NoError(t, err)
	w, err := OpenWorkstation(b, WorkstationConfig{Session: id.String(), Timers: unhurried})
	require.NoError(t, err)
	go w.Refuse(ByeBusy, "no free reader pair")
	var bye *Bye
	require.ErrorAs(t, term.Run(t.Context()), &bye)
	require.Equal(t, ByeBusy, bye.Code)
}

func TestHelloOfAnotherSession(t *testing.T) {
	a, b := nettest.Pair(t)
	term, err := OpenTerminal(a, TerminalConfig{ID: NewID(), Timers: unhurried})
	require.NoError(t, err)
	_, err = OpenWorkstation(b, WorkstationConfig{Session: NewID().String(), Timers: unhurried})
	var broken *ProtocolError
	require.ErrorAs(t, err, &broken)
	require.Error(t, term.Run(t.Context()))
}

func TestSilentPeerIsDead(t *testing.T) {
	a, b := nettest.Pair(t)
	defer b.Close()
	term, err := OpenTerminal(a, TerminalConfig{ID: NewID(), Timers: Timers{Heartbeat: 5 * time.Millisecond}})
	require.NoError(t, err)
	require.ErrorIs(t, term.Run(t.Context()), ErrDead)
}

func TestSP4PINNeverLeavesThePdT(t *testing.T) {
	p := newPair(t)
	card := new(fakeCard)
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, card))
	in := <-p.inserted
	for _, apdu := range [][]byte{
		{1, 0x24, 0, 1, 4, 1, 2, 3, 4}, {0x10, 0x2C, 0, 1, 1, 1}, {0, 0x21, 0, 1, 1, 1},
	} {
		got, err := p.w.Transmit(t.Context(), SlotCPS, in.Epoch, apdu)
		require.NoError(t, err)
		require.Equal(t, swSecurityStatus, got)
		// A PdT that sends it all the same is refused at the TLA.
		x := exchangeID{in.Epoch, p.w.slots[SlotCPS].book.begin()}
		require.NoError(t, p.w.s.write(frameCommand, SlotCPS, x.bytes(), apdu))
		require.Equal(t, swSecurityStatus, (<-p.w.slots[SlotCPS].reply).body)
	}
	require.Zero(t, card.commands.Load())
	_, err := p.w.Transmit(t.Context(), SlotCPS, in.Epoch, []byte{0, 0x20, 0, 0x80})
	require.NoError(t, err)
	require.EqualValues(t, 1, card.commands.Load(), "the retry counter probe passes")
}

// pinCard is a card for whose PIN the user is asked.
type pinCard struct {
	fakeCard
	asked chan [MinCommand]byte
}

func (c *pinCard) VerifyPIN(header [MinCommand]byte) ([]byte, error) {
	c.asked <- header
	return []byte{0x63, 0xC2}, nil
}

// TestSP4OnlyTheHeaderOfAVerifyLeavesThePdT looks at what is inside the card session's TLS.
func TestSP4OnlyTheHeaderOfAVerifyLeavesThePdT(t *testing.T) {
	p := newPair(t)
	card := &pinCard{asked: make(chan [MinCommand]byte, 1)}
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, card))
	in := <-p.inserted
	for _, class := range []byte{0x00, 0x01, 0x10, 0x43, 0x80} {
		apdu := []byte{class, 0x20, 0, 0x81, 4, 0x31, 0x32, 0x33, 0x34}
		got, err := p.w.Transmit(t.Context(), SlotCPS, in.Epoch, apdu)
		require.NoError(t, err)
		require.Equal(t, []byte{0x63, 0xC2}, got)
		require.Equal(t, [MinCommand]byte{class, 0x20, 0, 0x81}, <-card.asked)
		require.Equal(t, []byte{class, 0x20, 0, 0x81, 0, 0, 0, 0, 0}, apdu, "wiped at the PdT too (EL3)")
	}
	require.Zero(t, card.commands.Load())
	require.NotContains(t, string(p.t.link().rbuf[:cap(p.t.link().rbuf)]), "1234")

	// When nobody can be asked, and for any command but VERIFY, it is refused.
	for header, on := range map[[4]byte]Card{{0, 0x24, 0, 0x81}: card, {0, 0x20, 0, 0x81}: new(fakeCard)} {
		require.NoError(t, p.t.Remove(SlotCPS))
		require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, on))
		in = <-p.inserted
		x := exchangeID{in.Epoch, p.w.slots[SlotCPS].book.begin()}
		require.NoError(t, p.w.s.write(frameVerify, SlotCPS, x.bytes(), header[:]))
		require.Equal(t, swSecurityStatus, (<-p.w.slots[SlotCPS].reply).body)
	}
}

func TestEL3CardDataGoesWithTheSession(t *testing.T) {
	p := newPair(t)
	require.NoError(t, p.t.Insert(SlotVitale, fakeATR, T0, new(fakeCard)))
	_, err := p.w.Transmit(t.Context(), SlotVitale, (<-p.inserted).Epoch, []byte{1, 2, 3, 4})
	require.NoError(t, err)
	kept, link := p.t.slots[SlotVitale].book.kept, p.t.link()
	require.Contains(t, string(kept), "\x01\x02\x03\x04\x90\x00")
	p.t.Leave(ByeStopped, "over")
	<-p.endT
	require.NotContains(t, string(kept), "\x01\x02\x03\x04")
	require.NotContains(t, string(link.rbuf[:cap(link.rbuf)]), "\x01\x02\x03\x04")
}
