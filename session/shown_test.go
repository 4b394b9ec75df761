package session

import (
	"encoding/hex"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const theID = "00112233445566778899aabbccddeeff"

// TestShown: the TLA learns once of each card that programs see it. A reset does not change that, another card does.
func TestShown(t *testing.T) {
	p := newPair(t)
	require.True(t, p.t.TellsShown())
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, new(fakeCard)))
	in := <-p.inserted
	require.False(t, p.t.Shown(SlotCPS))
	_, _, err := p.w.Reset(t.Context(), SlotCPS, in.Epoch, ResetCold)
	require.NoError(t, err)
	for range 3 {
		p.w.Shown(SlotCPS, in.Epoch)
	}
	require.Equal(t, SlotCPS, <-p.shown)
	require.True(t, p.t.Shown(SlotCPS))
	require.False(t, p.t.Shown(SlotVitale))

	require.NoError(t, p.t.Remove(SlotCPS))
	require.False(t, p.t.Shown(SlotCPS))
	<-p.removed
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, new(fakeCard)))
	next := <-p.inserted
	p.w.Shown(SlotCPS, in.Epoch) // late: of the card before
	p.w.settled(t, next.Epoch)
	require.False(t, p.t.Shown(SlotCPS))
	require.Empty(t, p.shown, "nor was the first one told more than once")
	p.w.Shown(SlotCPS, next.Epoch)
	require.Equal(t, SlotCPS, <-p.shown)
}

// settled returns when the TLA has handled all that was sent before: it sends a command and waits for its response.
func (w *Workstation) settled(t *testing.T, epoch uint32) {
	t.Helper()
	_, err := w.Transmit(t.Context(), SlotCPS, epoch, make([]byte, 4))
	require.NoError(t, err)
}

// TestShownByAHostilePdT: shown too early, too late, of no card, or again and again has no effect; the session goes on.
func TestShownByAHostilePdT(t *testing.T) {
	p := newPair(t)
	say := func(slot Slot, epochs ...uint32) {
		for _, e := range epochs {
			require.NoError(t, p.w.s.write(frameShown, slot, epochBytes(e)))
		}
	}
	say(SlotCPS, 0, 1, 2)
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, new(fakeCard)))
	require.NoError(t, p.t.Remove(SlotCPS))
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, new(fakeCard)))
	<-p.inserted
	in := <-p.inserted
	say(SlotCPS, 0, in.Epoch-1, in.Epoch-2, in.Epoch+1, 1<<32-1)
	say(SlotVitale, 0, 1, in.Epoch)
	p.w.settled(t, in.Epoch)
	require.Empty(t, p.shown)
	require.False(t, p.t.Shown(SlotCPS) || p.t.Shown(SlotVitale))
	for range 1000 {
		say(SlotCPS, in.Epoch)
	}
	p.w.settled(t, in.Epoch)
	require.Equal(t, SlotCPS, <-p.shown)
	require.Empty(t, p.shown)
}

// TestShownByAnEndThatDoesNotKnowIt: with an end of an older release not an octet differs.
func TestShownByAnEndThatDoesNotKnowIt(t *testing.T) {
	v, slow := vectors(t), Timers{Heartbeat: time.Minute}
	t.Run("old TLA", func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = far.Write(append(append([]byte(nil), v["hello-tla-old"]...), v["inserted-cps"]...)) }()
		shown := make(chan struct{})
		var w *Workstation
		w, err := OpenWorkstation(near, WorkstationConfig{Session: theID, Shows: true, Timers: slow,
			Inserted: func(s Slot, in Inserted) {
				go func() {
					w.Shown(s, in.Epoch)
					close(shown)
				}()
			}})
		require.NoError(t, err)
		end := make(chan error, 1)
		go func() { end <- w.Run(t.Context()) }()
		require.Equal(t, v["hello-pdt-old"], next(t, far))
		<-shown
		go w.Leave(ByeStopped, "The user ended it.")
		require.Equal(t, v["bye-stopped"], next(t, far), "and no shown before it")
		far.Close()
		require.Error(t, <-end)
	})
	t.Run("old PdT", func(t *testing.T) {
		near, far := net.Pipe()
		raw, err := hex.DecodeString(theID)
		require.NoError(t, err)
		opened := make(chan *Terminal)
		go func() {
			term, _ := OpenTerminal(near, TerminalConfig{ID: ID(raw), Timers: slow})
			opened <- term
		}()
		require.Equal(t, v["hello-tla"], next(t, far), "all that it sees is a member it does not know")
		term := <-opened
		end := make(chan error, 1)
		go func() { end <- term.Run(t.Context()) }()
		require.False(t, term.TellsShown(), "nothing is known yet")
		_, err = far.Write(v["hello-pdt-old"])
		require.NoError(t, err)
		<-term.Up()
		require.False(t, term.TellsShown())
		far.Close()
		require.Error(t, <-end)
	})
	t.Run("PdT without readers", func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = far.Write(v["hello-tla"]) }()
		w, err := OpenWorkstation(near, WorkstationConfig{Session: theID, Timers: slow})
		require.NoError(t, err)
		end := make(chan error, 1)
		go func() { end <- w.Run(t.Context()) }()
		require.Equal(t, v["hello-pdt-old"], next(t, far))
		far.Close()
		require.Error(t, <-end)
	})
}

// next reads one frame, whole.
func next(t *testing.T, r io.Reader) []byte {
	t.Helper()
	var buf []byte
	f, err := readFrame(r, &buf)
	require.NoError(t, err)
	return appendFrame(nil, f.typ, f.slot, f.payload)
}

// TestResumeBringsShownAgain: a shown that was lost with a link, or came while there was none, is sent on the next; it
// says nothing about a card that has come in meanwhile.
func TestResumeBringsShownAgain(t *testing.T) {
	l := newLasting(t)
	in := l.insert(new(fakeCard))
	l.cut()
	l.w.Shown(SlotVitale, in.Epoch)
	require.False(t, l.t.Shown(SlotVitale))
	l.resume()
	require.Eventually(t, func() bool { return l.t.Shown(SlotVitale) }, patience, time.Millisecond)
	require.True(t, l.t.TellsShown(), "what the first hellos said holds")

	l.cut()
	require.NoError(t, l.t.Remove(SlotVitale))
	require.NoError(t, l.t.Insert(SlotVitale, fakeATR, T0, new(fakeCard)))
	l.resume() // the PdT says shown of the card before, since it knows no other
	other := <-l.inserted
	require.NoError(t, (<-l.transmit(t.Context(), other.Epoch, 1, 2, 3, 4)).err)
	require.False(t, l.t.Shown(SlotVitale))
	l.w.Shown(SlotVitale, in.Epoch)
	l.w.Shown(SlotVitale, other.Epoch)
	require.Eventually(t, func() bool { return l.t.Shown(SlotVitale) }, patience, time.Millisecond)
}
