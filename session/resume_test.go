package session

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"math"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/internal/nettest"
)

// faulty is a TCP connection that passes only so many more octets, and then either closes or swallows what is written,
// its end included.
type faulty struct {
	net.Conn
	left    atomic.Int64
	swallow bool
}

func (f *faulty) Write(b []byte) (int, error) {
	left := f.left.Add(-int64(len(b)))
	if left >= 0 {
		return f.Conn.Write(b)
	}
	if pass := left + int64(len(b)); pass > 0 {
		_, _ = f.Conn.Write(b[:pass])
	}
	if f.swallow {
		return len(b), nil
	}
	return 0, errors.Join(net.ErrClosed, f.Conn.Close())
}

func (f *faulty) Close() error {
	if f.swallow && f.left.Load() < 0 {
		return f.SetReadDeadline(time.Unix(1, 0)) // half open: the peer does not learn of it
	}
	return f.Conn.Close()
}

// testLink is a TLS connection over loopback: the TLA's end and the PdT's, and what is beneath them.
type testLink struct {
	a, b       *tls.Conn
	rawA, rawB *faulty
}

func newLink(t testing.TB) testLink {
	a, b := nettest.Pair(t)
	l := testLink{rawA: &faulty{Conn: a}, rawB: &faulty{Conn: b}}
	l.rawA.left.Store(math.MaxInt64)
	l.rawB.left.Store(math.MaxInt64)
	l.a = tls.Client(l.rawA, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	l.b = tls.Server(l.rawB, &tls.Config{Certificates: []tls.Certificate{selfSigned()}, MinVersion: tls.VersionTLS13,
		SessionTicketsDisabled: true})
	done := make(chan error, 1)
	go func() { done <- l.b.Handshake() }()
	require.NoError(t, l.a.Handshake())
	require.NoError(t, <-done)
	t.Cleanup(func() { a.Close(); b.Close() })
	return l
}

var selfSigned = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// lasting is a session whose links the test makes and cuts.
type lasting struct {
	tb         testing.TB
	t          *Terminal
	w          *Workstation
	testLink   // the present one
	endT, endW chan error
	generation uint32
	inserted   chan Inserted
	removed    chan Slot
	runs       sync.WaitGroup

	commands, taken atomic.Int32 // that the TLA has counted
}

func newLasting(t testing.TB) *lasting { return newLastingWith(t, 0) }

// newLastingWith returns a session with so many promises at once.
func newLastingWith(t testing.TB, ahead int) *lasting {
	l := &lasting{tb: t, generation: 1, inserted: make(chan Inserted, 99), removed: make(chan Slot, 99)}
	l.testLink = newLink(t)
	id := NewID()
	var err error
	l.t, err = OpenTerminal(l.a, TerminalConfig{ID: id, Timers: unhurried, Ahead: ahead,
		OnCommand: func(Slot) { l.commands.Add(1) }, OnTaken: func(Slot) { l.taken.Add(1) }})
	require.NoError(t, err)
	l.w, err = OpenWorkstation(l.b, WorkstationConfig{Session: id.String(), Shows: true, Timers: unhurried,
		Ahead:    ahead,
		Inserted: func(_ Slot, i Inserted) { l.inserted <- i }, Removed: func(s Slot) { l.removed <- s }})
	require.NoError(t, err)
	l.serve(func() error { return l.w.Serve(context.Background()) })
	<-l.t.Up()
	t.Cleanup(func() { l.close() })
	return l
}

// serve has both ends serve the present link.
func (l *lasting) serve(w func() error) {
	endT, endW := make(chan error, 1), make(chan error, 1)
	l.endT, l.endW = endT, endW
	l.runs.Go(func() { endT <- l.t.Serve(context.Background()) })
	l.runs.Go(func() { endW <- w() })
}

func (l *lasting) close() {
	l.t.Close()
	l.w.Close(errClosed)
	l.runs.Wait()
}

// cut breaks the link at both ends, and waits until they know.
func (l *lasting) cut() {
	l.rawA.Close()
	l.rawB.Close()
	require.True(l.tb, Resumable(<-l.endT))
	require.True(l.tb, Resumable(<-l.endW))
}

// resume makes another link.
func (l *lasting) resume() {
	l.testLink = newLink(l.tb)
	l.generation++
	goes := make(chan error, 1)
	far, generation := l.b, l.generation
	endW := make(chan error, 1)
	l.runs.Go(func() {
		err := l.w.Resume(context.Background(), far, generation, func() { goes <- nil })
		goes <- err
		endW <- err
	})
	require.NoError(l.tb, l.t.Resume(context.Background(), l.a, l.generation))
	require.NoError(l.tb, <-goes)
	endT := make(chan error, 1)
	l.endT, l.endW = endT, endW
	l.runs.Go(func() { endT <- l.t.Serve(context.Background()) })
}

// transmit sends a command and returns what becomes of it.
func (l *lasting) transmit(ctx context.Context, epoch uint32, apdu ...byte) <-chan answered {
	result := make(chan answered, 1)
	l.runs.Go(func() {
		body, err := l.w.Transmit(ctx, SlotVitale, epoch, apdu)
		result <- answered{body, err}
	})
	return result
}

type answered struct {
	body []byte
	err  error
}

func (l *lasting) insert(card Card) Inserted {
	require.NoError(l.tb, l.t.Insert(SlotVitale, fakeATR, T0, card))
	return <-l.inserted
}

func TestResumeCommandIsAnsweredFromWhatWasKept(t *testing.T) {
	l := newLasting(t)
	card := &fakeCard{gate: make(chan struct{})}
	in := l.insert(card)
	result := l.transmit(t.Context(), in.Epoch, 1, 2, 3, 4)
	require.Eventually(t, func() bool { return card.commands.Load() == 1 }, patience, time.Millisecond)
	l.cut()
	close(card.gate) // it ends while there is no link
	require.Eventually(t, func() bool { return !l.running() }, patience, time.Millisecond)
	l.resume()
	require.Equal(t, answered{[]byte{1, 2, 3, 4, 0x90, 0}, nil}, <-result)
	require.EqualValues(t, 1, card.commands.Load())
	require.Empty(t, l.removed)
	require.Equal(t, answered{[]byte{5, 6, 7, 8, 0x90, 0}, nil}, <-l.transmit(t.Context(), in.Epoch, 5, 6, 7, 8))
}

func (l *lasting) running() bool {
	ts := l.t.slots[SlotVitale]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.book.running
}

func TestResumeCommandStillRunsWhenTheLinkIsBack(t *testing.T) {
	l := newLasting(t)
	card := &fakeCard{gate: make(chan struct{})}
	result := l.transmit(t.Context(), l.insert(card).Epoch, 1, 2, 3, 4)
	require.Eventually(t, func() bool { return card.commands.Load() == 1 }, patience, time.Millisecond)
	l.cut()
	l.resume()
	close(card.gate)
	require.NoError(t, (<-result).err)
	require.EqualValues(t, 1, card.commands.Load())
}

func TestResumeCommandThatWasNotReceivedIsSentAgain(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	l.cut()
	result := l.transmit(t.Context(), in.Epoch, 1, 2, 3, 4)
	l.waits(1)
	l.resume()
	require.NoError(t, (<-result).err)
	require.EqualValues(t, 1, card.commands.Load())
}

// waits returns when that number is outstanding at the PdT.
func (l *lasting) waits(seq uint32) {
	ws := l.w.slots[SlotVitale]
	require.Eventually(l.tb, func() bool {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		return ws.book.seq == seq && ws.book.waiting
	}, patience, time.Millisecond)
}

func TestResumeCommandNobodyWantsIsNeverExecuted(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	l.cut()
	ctx, cancel := context.WithCancel(t.Context())
	result := l.transmit(ctx, in.Epoch, 1, 2, 3, 4)
	l.waits(1)
	cancel()
	require.ErrorIs(t, (<-result).err, context.Canceled)
	l.resume()
	require.NoError(t, (<-l.transmit(t.Context(), in.Epoch, 5, 6, 7, 8)).err)
	require.EqualValues(t, 1, card.commands.Load())
}

func TestResumeCardSwappedMeanwhile(t *testing.T) {
	l := newLasting(t)
	in := l.insert(new(fakeCard))
	l.cut()
	result := l.transmit(t.Context(), in.Epoch, 1, 2, 3, 4)
	l.waits(1)
	other := new(fakeCard)
	require.NoError(t, l.t.Remove(SlotVitale))
	require.NoError(t, l.t.Insert(SlotVitale, fakeATR, T0, other))
	l.resume()
	require.ErrorIs(t, (<-result).err, StaleEpoch, "never the other card")
	require.Equal(t, in.Epoch+2, (<-l.inserted).Epoch)
	require.Zero(t, other.commands.Load())
}

// TestResumeCardGoneUnderACommand: the response says that nobody knows whether it was executed, and the PdT is told
// which card is in the reader now.
func TestResumeCardGoneUnderACommand(t *testing.T) {
	for name, put := range map[string]Card{"none": nil, "another": new(fakeCard)} {
		t.Run(name, func(t *testing.T) {
			l := newLasting(t)
			card := &fakeCard{gate: make(chan struct{})}
			in := l.insert(card)
			result := l.transmit(t.Context(), in.Epoch, 1, 2, 3, 4)
			require.Eventually(t, func() bool { return card.commands.Load() == 1 }, patience, time.Millisecond)
			l.cut()
			require.NoError(t, l.t.Remove(SlotVitale))
			if put != nil {
				require.NoError(t, l.t.Insert(SlotVitale, fakeATR, T0, put))
			}
			close(card.gate)
			require.Eventually(t, func() bool { return !l.running() }, patience, time.Millisecond)
			l.resume()
			require.ErrorIs(t, (<-result).err, Unknown)
			if put != nil {
				require.Equal(t, in.Epoch+2, (<-l.inserted).Epoch)
				return
			}
			require.Equal(t, SlotVitale, <-l.removed)
		})
	}
}

func TestResumeCardGoneMeanwhile(t *testing.T) {
	l := newLasting(t)
	l.insert(new(fakeCard))
	l.cut()
	require.NoError(t, l.t.Remove(SlotVitale))
	l.resume()
	require.Equal(t, SlotVitale, <-l.removed)
}

func TestResumeResetIsDoneOnce(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	frame := appendFrame(nil, frameReset, SlotVitale, exchangeID{in.Epoch, 1}.bytes(), []byte{byte(ResetCold)})
	ws := l.w.slots[SlotVitale] // the reset is sent, its response is lost
	ws.mu.Lock()
	ws.book.begin()
	ws.frame = frame
	ws.mu.Unlock()
	<-ws.free
	require.NoError(t, l.w.link().writeFrame(frame))
	require.Eventually(t, func() bool { return card.resets.Load() == 1 && !l.running() }, patience, time.Millisecond)
	<-ws.reply
	ws.mu.Lock()
	ws.book.waiting, ws.book.epoch = true, in.Epoch
	ws.mu.Unlock()
	l.cut()
	l.resume()
	require.Equal(t, in.Epoch+1, (<-ws.reply).epoch)
	require.EqualValues(t, 1, card.resets.Load())
	require.Empty(t, l.removed, "it is the same card")
	require.Empty(t, l.inserted)
}

// TestResumeAfterResume: links are lost again and again, at every step.
func TestResumeAfterResume(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	const rounds = 20
	for i := range rounds {
		var apdu [4]byte
		binary.BigEndian.PutUint32(apdu[:], uint32(i))
		result := l.transmit(t.Context(), in.Epoch, apdu[:]...)
		l.cut()
		l.resume()
		require.Equal(t, answered{append(apdu[:], 0x90, 0), nil}, <-result)
	}
	require.EqualValues(t, rounds, card.commands.Load())
}

// TestResumeFencesTheOldLink: the PdT does not know yet that the old link is dead, but takes nothing from it any more.
func TestResumeFencesTheOldLink(t *testing.T) {
	l := newLasting(t)
	in := l.insert(new(fakeCard))
	endW := l.endW
	l.rawA.swallow = true
	l.rawA.left.Store(-1)
	l.t.link().close(errors.New("lost at this end only"))
	<-l.endT
	l.resume()
	require.ErrorIs(t, <-endW, errFenced)
	require.NoError(t, (<-l.transmit(t.Context(), in.Epoch, 1, 2, 3, 4)).err)
}

func TestResumeRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(l *lasting)
		code  ByeCode
	}{
		"another secret":      {func(l *lasting) { l.t.secret = make([]byte, exportLen) }, ByeRefused},
		"a generation again":  {func(l *lasting) { l.cut(); l.resume(); l.generation-- }, ByeGone},
		"the first link's":    {func(l *lasting) { l.generation = 0 }, ByeGone},
		"the session is over": {func(l *lasting) { l.w.Close(errClosed) }, ByeGone},
		"not begun yet":       {func(l *lasting) { l.w.mu.Lock(); l.w.accepted = false; l.w.mu.Unlock() }, ByeGone},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLasting(t)
			l.insert(new(fakeCard))
			c.spoil(l)
			l.cut()
			further := newLink(t)
			l.generation++
			before := l.w.Generation()
			end := make(chan error, 1)
			go func() {
				end <- l.w.Resume(context.Background(), further.b, l.generation, func() { t.Error("resumed") })
			}()
			var bye *Bye
			require.ErrorAs(t, l.t.Resume(context.Background(), further.a, l.generation), &bye)
			require.Equal(t, c.code, bye.Code)
			require.Error(t, <-end)
			require.Equal(t, before, l.w.Generation(), "the session is as it was")
		})
	}
}

// TestResumeProvesThePdT: a PdT that was not there at the start does not learn where the cards stand.
func TestResumeProvesThePdT(t *testing.T) {
	l := newLasting(t)
	l.insert(new(fakeCard))
	l.w.secret = make([]byte, exportLen) // like an impostor: it accepts any proof, and sends a wrong one
	l.cut()
	further := newLink(t)
	go func() {
		s := newStream(further.b, unhurried)
		defer s.close(errClosed)
		if _, err := s.read(); err == nil {
			_ = s.writeJSON(frameHello, helloPdT{Version: version, Session: l.t.cfg.ID.String(),
				Resume: &resumePdT{"00", []slotPendingText{{Slot: 0}, {Slot: 1}}}})
			drain(further.b)
		}
	}()
	var broken *ProtocolError
	require.ErrorAs(t, l.t.Resume(context.Background(), further.a, 2), &broken)
}

func TestResumeNeedsTLS(t *testing.T) {
	p := newPair(t)
	require.Nil(t, p.t.secret)
	a, b := nettest.Pair(t)
	go drain(b)
	defer b.Close()
	require.ErrorIs(t, p.t.Resume(context.Background(), a, 2), errNoSecret)
	a, b = nettest.Pair(t)
	defer a.Close()
	require.ErrorIs(t, p.w.Resume(context.Background(), b, 2, nil), errNoSecret)
}

// TestResumeCutAnywhere cuts a resume after any number of octets of either end, and then resumes: nothing is lost, and
// nothing executed twice.
func TestResumeCutAnywhere(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	rounds := 0
	for n := int64(0); n < 700; n += 7 {
		for _, up := range []bool{true, false} {
			result := l.transmit(t.Context(), in.Epoch, 0, 0xB0, byte(n>>8), byte(n))
			l.cut()
			l.cutResume(n, up)
			l.resume()
			require.NoError(t, (<-result).err)
			rounds++
		}
	}
	require.EqualValues(t, rounds, card.commands.Load())
	require.Empty(t, l.removed)
}

// TestResumeCutAnywhereAfterACommandNobodyWants does the same with a command that was abandoned meanwhile: it is not
// executed, and the slot is free for the next.
func TestResumeCutAnywhereAfterACommandNobodyWants(t *testing.T) {
	l := newLasting(t)
	card := new(fakeCard)
	in := l.insert(card)
	seq := uint32(0)
	for n := int64(0); n < 700; n += 35 {
		for _, up := range []bool{true, false} {
			l.cut()
			ctx, cancel := context.WithCancel(t.Context())
			result := l.transmit(ctx, in.Epoch, 1, 2, 3, 4)
			l.waits(seq + 1)
			cancel()
			require.ErrorIs(t, (<-result).err, context.Canceled)
			l.cutResume(n, up)
			l.resume()
			soon, stop := context.WithTimeout(t.Context(), patience)
			require.NoError(t, (<-l.transmit(soon, in.Epoch, 5, 6, 7, 8)).err)
			stop()
			seq++
		}
	}
	require.EqualValues(t, seq, card.commands.Load())
}

// cutResume tries to resume over a link that breaks after n octets from one end.
func (l *lasting) cutResume(n int64, up bool) {
	further := newLink(l.tb)
	raw := further.rawB
	if up {
		raw = further.rawA
	}
	raw.left.Store(n)
	l.generation++
	var both sync.WaitGroup
	both.Go(func() {
		_ = l.w.Resume(context.Background(), further.b, l.generation, nil)
		further.rawB.Close()
	})
	both.Go(func() {
		err := l.t.Resume(context.Background(), further.a, l.generation)
		further.rawA.Close()
		if err == nil {
			require.Error(l.tb, l.t.Serve(context.Background()))
		}
	})
	both.Wait()
}
