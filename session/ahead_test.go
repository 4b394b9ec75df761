package session

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/session/ahead"
)

// readCard is a card with a file of any length, which is read four octets at a time: READ n is answered with n and the
// state of the card, which any other command changes. It predicts the read after the last.
type readCard struct {
	mu     sync.Mutex
	state  byte
	last   int      // the last read that was given, or predicted; -1 = none
	given  int      // the last read that was given
	ran    []string // what it executed: "command 3", "ahead 4", "reset"
	gate   chan struct{}
	came   atomic.Int32 // to the gate
	barred bool         // no prediction may reach it
	few    int          // only so many predictions; 0 = any
	mute   bool         // its reader cannot execute predictions
	wasted []string
	most   int // octets that a response is said to have
	missed int // how often it was told of commands that it is not told
}

func newReadCard() *readCard { return &readCard{last: -1, given: -1} }

// read returns the command that reads part n.
func read(n int) []byte { return []byte{0, 0xB0, byte(n >> 8), byte(n), 4} }

// change is a command that changes the state.
var change = []byte{0x80, 0x10, 0, 0}

func readOf(apdu []byte) int {
	if len(apdu) != 5 || apdu[1] != 0xB0 {
		return -1
	}
	return int(binary.BigEndian.Uint16(apdu[2:]))
}

func (c *readCard) answer(n int) []byte { return []byte{byte(n >> 8), byte(n), 0xCA, c.state, 0x90, 0} }

func (c *readCard) run(how string, apdu []byte) []byte {
	if c.gate != nil {
		c.came.Add(1)
		<-c.gate
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	n := readOf(apdu)
	c.ran = append(c.ran, fmt.Sprint(how, " ", n))
	if n < 0 {
		c.state++
		return []byte{0x90, 0}
	}
	return c.answer(n)
}

func (c *readCard) Transmit(apdu []byte) ([]byte, error) { return c.run("command", apdu), nil }

func (c *readCard) Ahead(apdu []byte) ([]byte, error) {
	if c.barred {
		return nil, ErrNotAhead
	}
	response := c.run("ahead", apdu)
	if c.mute {
		return nil, errors.New("no answer")
	}
	return response, nil
}

func (c *readCard) Reset(ResetKind) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state++
	c.ran = append(c.ran, "reset")
	return slices.Clone(fakeATR), nil
}

func (c *readCard) Predictor() Predictor { return (*readPredictor)(c) }

type readPredictor readCard

func (p *readPredictor) Gave(apdu, response []byte) {
	if p.given = readOf(apdu); response == nil {
		p.given = -1
	}
	p.last = p.given
}
func (p *readPredictor) Took(apdu, _ []byte) { p.given = readOf(apdu) }
func (p *readPredictor) Next() ([]byte, int) {
	if p.last < 0 || p.few > 0 && p.last >= p.given+p.few {
		return nil, 0
	}
	return read(p.last + 1), max(p.most, 6)
}
func (p *readPredictor) Predicted(apdu, _ []byte) { p.last = readOf(apdu) }
func (p *readPredictor) Wasted(apdu, response []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wasted = append(p.wasted, fmt.Sprintf("%d %X", readOf(apdu), response))
}
func (p *readPredictor) Drop()  { p.last = p.given }
func (p *readPredictor) Lose()  { p.given, p.last = -1, -1 }
func (p *readPredictor) Reset() { p.Lose() }
func (p *readPredictor) Missed() {
	p.missed++
	p.Lose()
}

// log returns what the card executed.
func (c *readCard) log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ran)
}

// must returns the response of a command, and requires that there is one.
func (w *Workstation) must(t testing.TB, epoch uint32, apdu []byte) []byte {
	t.Helper()
	got, err := w.Transmit(t.Context(), SlotCPS, epoch, slices.Clone(apdu))
	require.NoError(t, err)
	return got
}

// newAheadPair returns a session with read-ahead, and a card that predicts.
func newAheadPair(t *testing.T, card *readCard) (*pair, uint32) {
	p := newPairWith(t, 8, 64)
	require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, card))
	return p, (<-p.inserted).Epoch
}

// twoAtHand returns a session in which part 0 was read, and parts 1 and 2 are at hand.
func twoAtHand(t *testing.T) (*readCard, *pair, uint32) {
	card := newReadCard()
	card.few = 2
	p, epoch := newAheadPair(t, card)
	p.w.must(t, epoch, read(0))
	p.atHand(t, 2)
	return card, p, epoch
}

// atHand waits until so many promises are at hand at the PdT.
func (p *pair) atHand(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return p.w.slots[SlotCPS].hand() == n }, patience, time.Millisecond)
}

func (ws *workstationSlot) hand() int {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	return ws.desk.AtHand()
}

// TestAheadAnswersAtOnce: what was read ahead answers the commands that a program then gives, in order; each reaches
// the card once, and the TLA counts it as the program's.
func TestAheadAnswersAtOnce(t *testing.T) {
	card := newReadCard()
	p, epoch := newAheadPair(t, card)
	for n := range 100 {
		require.Equal(t, card.answer(n), p.w.must(t, epoch, read(n)))
	}
	before := p.t.Ahead().Taken
	for n := 100; n < 120; n++ {
		require.Eventually(t, func() bool { return p.w.slots[SlotCPS].hand() > 0 }, patience, time.Millisecond)
		require.Equal(t, card.answer(n), p.w.must(t, epoch, read(n)))
	}
	require.Eventually(t, func() bool { return p.t.Ahead().Taken >= before+20 }, patience, time.Millisecond)
	require.Eventually(t, func() bool { return p.commands.Load() == 120 }, patience, time.Millisecond)
	asked := 0
	for i, what := range card.log() {
		require.Contains(t, what, fmt.Sprint(" ", i), "in order, and each once")
		if strings.HasPrefix(what, "command") {
			asked++
		}
	}
	require.EqualValues(t, 120-asked, p.taken.Load(), "what was predicted counts once it is the program's")
	require.LessOrEqual(t, len(card.log()), 128, "never more than the window unasked")
}

// TestAheadEndsWithAnotherCommand: a command that changes the card, a reset, a PIN and another card end what was
// promised.
func TestAheadEndsWithAnotherCommand(t *testing.T) {
	for name, meanwhile := range map[string]func(*testing.T, *pair, *uint32){
		"command": func(t *testing.T, p *pair, epoch *uint32) { p.w.must(t, *epoch, change) },
		"PIN":     func(t *testing.T, p *pair, epoch *uint32) { p.w.must(t, *epoch, []byte{0, 0x20, 0, 1, 1, 0x31}) },
		"power":   func(_ *testing.T, p *pair, _ *uint32) { p.w.DropAhead(SlotCPS) },
		"reset": func(t *testing.T, p *pair, epoch *uint32) {
			var err error
			*epoch, _, err = p.w.Reset(t.Context(), SlotCPS, *epoch, ResetWarm)
			require.NoError(t, err)
		},
		"card": func(t *testing.T, p *pair, epoch *uint32) {
			require.NoError(t, p.t.Remove(SlotCPS))
			require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, newReadCard()))
			*epoch = (<-p.inserted).Epoch
		},
	} {
		t.Run(name, func(t *testing.T) {
			card := newReadCard()
			p, epoch := newAheadPair(t, card)
			card.few = 2
			p.w.must(t, epoch, read(0))
			p.atHand(t, 2)
			meanwhile(t, p, &epoch)
			require.Zero(t, p.w.slots[SlotCPS].hand())
			got := p.w.must(t, epoch, read(1))
			want := card.answer(1)
			if name == "card" {
				want[3] = 0
			}
			require.Equal(t, want, got)
		})
	}
}

// first has a program give a command, which passes the gate.
func (c *readCard) first(t *testing.T, p *pair, epoch uint32, apdu []byte, got chan<- []byte) {
	go func() { got <- p.w.must(t, epoch, apdu) }()
	c.gate <- struct{}{}
}

// meanwhile has a program give a second command, which comes while the prediction after the first is at the gate,
// unless there is none.
func (c *readCard) meanwhile(t *testing.T, p *pair, epoch uint32, apdu []byte, got chan<- []byte) {
	if !c.barred {
		require.Eventually(t, func() bool { return c.came.Load() == 2 }, patience, time.Millisecond)
	}
	go func() { got <- p.w.must(t, epoch, apdu) }()
	if !c.barred {
		p.t.waitsFor(t, 2)
	}
}

// TestAheadOfWhatIsAskedMeanwhile: a command that comes while the card executes its prediction gets that answer, and is
// not executed again; if the prediction may not be made, it is.
func TestAheadOfWhatIsAskedMeanwhile(t *testing.T) {
	for _, barred := range []bool{false, true} {
		t.Run(fmt.Sprint("barred ", barred), func(t *testing.T) {
			card := newReadCard()
			card.gate, card.barred, card.few = make(chan struct{}), barred, 1
			p, epoch := newAheadPair(t, card)
			got := make(chan []byte)
			card.first(t, p, epoch, read(0), got)
			require.Equal(t, card.answer(0), <-got)
			card.meanwhile(t, p, epoch, read(1), got)
			card.gate <- struct{}{}
			require.Equal(t, card.answer(1), <-got)
			want := []string{"command 0", "ahead 1"}
			if barred {
				want[1] = "command 1"
			}
			require.Equal(t, want, card.log())
			close(card.gate)
		})
	}
}

// TestC1WastedPredictionsAreKnown: whatever a card executed for nobody, the predictor learns of it: that a read failed,
// or that the reader did.
func TestC1WastedPredictionsAreKnown(t *testing.T) {
	for name, c := range map[string]struct {
		mute, barred bool
		want         string
	}{
		"another command": {false, false, "1 0001CA009000"},
		"no answer":       {true, false, "1 "},
		"barred":          {false, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			card := newReadCard()
			card.gate, card.mute, card.barred, card.few = make(chan struct{}), c.mute, c.barred, 1
			p, epoch := newAheadPair(t, card)
			got := make(chan []byte)
			card.first(t, p, epoch, read(0), got)
			<-got
			card.meanwhile(t, p, epoch, change, got)
			close(card.gate)
			<-got
			card.mu.Lock()
			defer card.mu.Unlock()
			require.Equal(t, c.want, strings.Join(card.wasted, ","))
		})
	}
}

// TestEL3FailedPredictionsAreWiped: whatever a reader returned with an error, or at a length that none has, is gone.
func TestEL3FailedPredictionsAreWiped(t *testing.T) {
	for name, c := range map[string]*failingCard{
		"error": {octets: []byte{1, 2, 3}, err: errors.New("no answer")}, "length": {octets: []byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			ts := &terminalSlot{promiser: ahead.NewPromiser(8), out: new(stream), wake: make(chan struct{}, 1)}
			c.readCard = newReadCard()
			c.last, ts.card = 0, c
			require.True(t, new(Terminal).predict(ts))
			require.Equal(t, make([]byte, len(c.octets)), c.octets)
		})
	}
}

// failingCard is a card of which a prediction gets what it should not.
type failingCard struct {
	*readCard
	octets []byte
	err    error
}

func (c *failingCard) Ahead([]byte) ([]byte, error) { return c.octets, c.err }

// TestC2NoPredictionWithoutRoom: the card executes nothing whose answer could not be promised.
func TestC2NoPredictionWithoutRoom(t *testing.T) {
	card := newReadCard()
	card.most = ahead.MaxOctets
	p, epoch := newAheadPair(t, card)
	for n := range 5 {
		p.w.must(t, epoch, read(n))
	}
	require.NotContains(t, strings.Join(card.log(), ","), "ahead")
}

// waitsFor waits until a command with that number is at the card, or waits for it.
func (t *Terminal) waitsFor(tb testing.TB, seq uint32) { tb.Helper(); t.isAt(tb, seq, true) }

// hasDone waits until the card has executed the command of that number.
func (t *Terminal) hasDone(tb testing.TB, seq uint32) { tb.Helper(); t.isAt(tb, seq, false) }

func (t *Terminal) isAt(tb testing.TB, seq uint32, running bool) {
	tb.Helper()
	ts := t.slots[SlotCPS]
	require.Eventually(tb, func() bool {
		ts.mu.Lock()
		defer ts.mu.Unlock()
		return ts.book.running == running && ts.book.lastSeq == seq
	}, patience, time.Millisecond)
}

// TestAheadIsLostWithItsLink: takes that were lost are not executed, and what is asked again is, once.
func TestAheadIsLostWithItsLink(t *testing.T) {
	l := newLastingWith(t, 8)
	card := newReadCard()
	card.few = 2
	require.NoError(t, l.t.Insert(SlotCPS, fakeATR, T1, card))
	epoch := (<-l.inserted).Epoch
	l.w.must(t, epoch, read(0))
	require.Eventually(t, func() bool { return l.w.slots[SlotCPS].hand() == 2 }, patience, time.Millisecond)
	l.rawB.left.Store(0) // what the PdT says is lost from now on
	l.rawB.swallow = true
	require.Equal(t, card.answer(1), l.w.must(t, epoch, read(1)))
	require.Equal(t, card.answer(2), l.w.must(t, epoch, read(2)))
	got := make(chan []byte)
	go func() { got <- l.w.must(t, epoch, change) }()
	l.cut()
	l.resume()
	require.Equal(t, []byte{0x90, 0}, <-got)
	require.Equal(t, card.answer(3), l.w.must(t, epoch, read(3)))
	require.Equal(t, []string{"command 0", "ahead 1", "ahead 2", "command -1", "command 3"}, card.log()[:5])
	require.EqualValues(t, 5, l.commands.Load(), "the lost takes, too (SA4)")
	require.EqualValues(t, 2, l.taken.Load())
	require.Equal(t, 1, card.missed, "the predictor learns of them")
}

// TestSA4LostTakesAreBounded: whatever number a PdT goes on from, no more commands count than there were promises.
func TestSA4LostTakesAreBounded(t *testing.T) {
	counted := 0
	term := &Terminal{cfg: TerminalConfig{OnCommand: func(Slot) { counted++ }}}
	ts := &terminalSlot{unsure: 3}
	term.countMissed(ts, 1)
	require.Equal(t, 1, counted)
	term.countMissed(ts, 9)
	require.Equal(t, 1, counted, "of another link there are none")
	ts.unsure = 3
	term.countMissed(ts, 1<<32-1)
	require.Equal(t, 4, counted)
}

// TestAheadCutAnywhere cuts the link after any number of octets of either end, while a program reads what is read
// ahead, and changes the card: each answer is that of the card as it then is, and each command is executed once.
func TestAheadCutAnywhere(t *testing.T) {
	l := newLastingWith(t, 8)
	card := newReadCard()
	require.NoError(t, l.t.Insert(SlotCPS, fakeATR, T1, card))
	epoch := (<-l.inserted).Epoch
	changes := 0
	for n := int64(0); n < 500; n++ {
		raw := l.rawA
		if n%2 == 0 {
			raw = l.rawB
		}
		raw.left.Store(n)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 6 {
				if got, want := l.w.must(t, epoch, read(i)), card.answer(i); string(got) != string(want) {
					t.Errorf("cut after %d octets: read %d is answered %X, want %X", n, i, got, want)
				}
			}
			l.w.must(t, epoch, change)
		}()
		l.broken(done)
		l.resume()
		<-done
		changes++
		require.Equal(t, byte(changes), card.answer(0)[3], "each change once")
	}
	require.Zero(t, len(l.removed))
}

// broken waits until the link is cut, or what is done is done, and then cuts it.
func (l *lasting) broken(done <-chan struct{}) {
	select {
	case err := <-l.endT:
		l.endT <- err
	case err := <-l.endW:
		l.endW <- err
	case <-done:
	}
	l.cut()
}

// TestAheadIsAgreedByBoth: an end that does not read ahead, or does not know how, gets no frame of it.
func TestAheadIsAgreedByBoth(t *testing.T) {
	for name, c := range map[string]struct {
		tla, pdt int
		agreed   bool
	}{"both": {64, 16, true}, "PdT alone": {0, 16, false}, "TLA alone": {64, 0, false}, "neither": {0, 0, false}} {
		t.Run(name, func(t *testing.T) {
			p := newPairWith(t, c.tla, c.pdt)
			require.Equal(t, c.agreed, p.t.window > 0)
			require.Equal(t, c.agreed, p.w.window > 0)
			require.NoError(t, p.t.Insert(SlotCPS, fakeATR, T1, newReadCard()))
			epoch := (<-p.inserted).Epoch
			for n := range 5 {
				p.w.must(t, epoch, read(n))
			}
			require.Equal(t, c.agreed, p.t.Ahead().Sent > 0)
			p.w.slots[SlotCPS].begin(frameCommand, epoch, read(9))
			first := frameType(p.w.slots[SlotCPS].frame[0])
			require.Equal(t, c.agreed, first == frameAsk || first == frameTake)
		})
	}
}

// TestAheadWithAnEndThatDoesNotKnowIt: with an end of an older release not an octet differs, but for a member of the
// TLA's hello that it ignores.
func TestAheadWithAnEndThatDoesNotKnowIt(t *testing.T) {
	v, slow := vectors(t), Timers{Heartbeat: time.Minute}
	t.Run("old TLA", func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = far.Write(slices.Concat(v["hello-tla"], v["inserted-cps"])) }()
		inserted := make(chan Inserted, 1)
		w, err := OpenWorkstation(near, WorkstationConfig{Session: theID, Shows: true, Timers: slow, Ahead: 64,
			Inserted: func(_ Slot, in Inserted) { inserted <- in }})
		require.NoError(t, err)
		end := make(chan error, 1)
		go func() { end <- w.Run(t.Context()) }()
		require.Equal(t, v["hello-pdt"], next(t, far))
		go func() { _, _ = w.Transmit(t.Context(), SlotCPS, (<-inserted).Epoch, []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}) }()
		require.Equal(t, v["command-select"], next(t, far))
		_, err = far.Write(v["response-done"])
		require.NoError(t, err)
		go func() { _, _ = far.Write(v["ahead-read"]) }()
		require.Equal(t, byte(frameBye), next(t, far)[0], "an unknown type ends the session")
		far.Close()
		require.ErrorAs(t, <-end, new(*ProtocolError))
	})
	t.Run("old PdT", func(t *testing.T) {
		near, far := net.Pipe()
		raw, err := hex.DecodeString(theID)
		require.NoError(t, err)
		opened := make(chan *Terminal)
		go func() {
			term, _ := OpenTerminal(near, TerminalConfig{ID: ID(raw), Timers: slow, Ahead: 64})
			opened <- term
		}()
		require.Equal(t, v["hello-tla-ahead"], next(t, far))
		term := <-opened
		go func() { _ = term.Insert(SlotCPS, fakeATR, T1, newReadCard()) }()
		require.Equal(t, byte(frameInserted), next(t, far)[0])
		end := make(chan error, 1)
		go func() { end <- term.Run(t.Context()) }()
		_, err = far.Write(v["hello-pdt"])
		require.NoError(t, err)
		for n := range 5 {
			x := exchangeID{1, uint32(n + 1)}
			_, err = far.Write(appendFrame(nil, frameCommand, SlotCPS, x.bytes(), read(n)))
			require.NoError(t, err)
			want := appendFrame(nil, frameResponse, SlotCPS, x.bytes(), []byte{0}, newReadCard().answer(n))
			require.Equal(t, want, next(t, far), "and no promise between")
		}
		go func() { _, _ = far.Write(readFrom1(v["ask-read"])) }()
		require.Equal(t, byte(frameBye), next(t, far)[0], "an unknown type ends the session")
		far.Close()
		require.ErrorAs(t, <-end, new(*ProtocolError))
	})
}

// TestAheadHelloOfAnEndThatDoesNotReadAhead: the hellos are those of the release before.
func TestAheadHelloOfAnEndThatDoesNotReadAhead(t *testing.T) {
	require.Nil(t, offer(0))
	require.Equal(t, 0, agree(64, nil))
	for _, theirs := range []int{0, -1, -1 << 31} {
		require.Equal(t, 0, agree(64, &aheadText{theirs}))
	}
	require.Equal(t, ahead.MaxWindow, agree(64, &aheadText{1 << 30}))
}

// TestAheadByAHostilePdT: takes of what was never promised, asks with any GOT, numbers out of order.
func TestAheadByAHostilePdT(t *testing.T) {
	x := func(seq uint32) []byte { return exchangeID{1, seq}.bytes() }
	ask := func(seq, got uint32, n int) []byte {
		return appendFrame(nil, frameAsk, SlotCPS, x(seq), numberBytes(got), read(n))
	}
	take := func(seq, number uint32) []byte {
		return appendFrame(nil, frameTake, SlotCPS, x(seq), numberBytes(number))
	}
	for name, c := range map[string]struct {
		frames [][]byte
		ends   bool
		ran    int // commands that the card executed
	}{
		"takes of nothing":            {[][]byte{take(1, 1), take(2, 1<<32-1), take(3, 0), ask(4, 0, 9)}, false, 1},
		"asks with a GOT of the end":  {[][]byte{ask(1, 1<<32-1, 7)}, false, 1},
		"a take with a number twice":  {[][]byte{take(1, 1), take(1, 1)}, true, 0},
		"a take with a later number":  {[][]byte{take(2, 1)}, true, 0},
		"an ask with a take's number": {[][]byte{take(1, 1), ask(1, 0, 1)}, true, 0},
		"a command":                   {[][]byte{appendFrame(nil, frameCommand, SlotCPS, x(1), read(1))}, true, 0},
		"a promise": {[][]byte{appendFrame(nil, frameAhead, SlotCPS,
			promised{1, 1, read(1), []byte{0x90, 0}}.parts()...)}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			card := newReadCard()
			card.few = 1
			p, _ := newAheadPair(t, card)
			for _, f := range c.frames {
				require.NoError(t, p.w.s.writeFrame(f))
			}
			if c.ends {
				require.ErrorAs(t, <-p.endT, new(*ProtocolError))
				return
			}
			require.Eventually(t, func() bool { return len(card.log()) >= c.ran }, patience, time.Millisecond)
			require.Contains(t, card.log()[0], "command")
			require.Zero(t, p.t.Ahead().Taken)
		})
	}
}

// TestAheadByAHostileTLA: promises of another card, out of order, too many, too large: none reaches a program that did
// not ask, and the PdT holds no more than the bounds.
func TestAheadByAHostileTLA(t *testing.T) {
	send := func(t *testing.T, p *pair, epoch, number uint32, command, response []byte) {
		require.NoError(t, p.t.s.write(frameAhead, SlotCPS, promised{epoch, number, command, response}.parts()...))
	}
	answer := []byte{1, 2, 3, 4, 0x90, 0}
	plain := func(t *testing.T) (*pair, uint32) {
		card := newReadCard()
		card.barred = true
		return newAheadPair(t, card)
	}
	t.Run("of another epoch", func(t *testing.T) {
		p, epoch := plain(t)
		send(t, p, epoch+1, 1, read(1), answer)
		send(t, p, epoch-1, 2, read(1), answer)
		p.w.must(t, epoch, change)
		require.NotEqual(t, answer, p.w.must(t, epoch, read(1)))
	})
	t.Run("more than agreed", func(t *testing.T) {
		p, epoch := plain(t)
		for n := range 1000 {
			send(t, p, epoch, uint32(n+1), read(n), answer)
			require.LessOrEqual(t, p.w.slots[SlotCPS].hand(), 8)
		}
		p.w.must(t, epoch, change)
	})
	t.Run("more octets than there may be", func(t *testing.T) {
		p, epoch := plain(t)
		for n := range 20 {
			send(t, p, epoch, uint32(n+1), read(n), make([]byte, 5000))
			require.LessOrEqual(t, p.w.slots[SlotCPS].hand(), 3)
		}
		p.w.must(t, epoch, change)
	})
	for name, numbers := range map[string][]uint32{"zero": {0}, "twice": {1, 1}, "back": {5, 4}} {
		t.Run("numbers: "+name, func(t *testing.T) {
			p, epoch := plain(t)
			for _, n := range numbers {
				send(t, p, epoch, n, read(1), answer)
			}
			require.ErrorAs(t, <-p.endW, new(*ProtocolError))
		})
	}
	t.Run("of a command that is longer than the frame", func(t *testing.T) {
		p, _ := plain(t)
		require.NoError(t, p.t.s.write(frameAhead, SlotCPS, exchangeID{1, 1}.bytes(), []byte{0, 9}, make([]byte, 9)))
		require.ErrorAs(t, <-p.endW, new(*ProtocolError))
	})
	t.Run("a response to what a promise answered, again and again", func(t *testing.T) {
		p, epoch := plain(t)
		p.w.must(t, epoch, read(0))
		s := p.t.link()
		for range 2 {
			_ = s.write(frameResponse, SlotCPS, exchangeID{epoch, 1}.bytes(), []byte{0}, answer)
		}
		require.ErrorAs(t, <-p.endW, new(*ProtocolError))
	})
	t.Run("a promise, and a response all the same", func(t *testing.T) {
		card := newReadCard()
		card.barred, card.gate = true, make(chan struct{})
		p, epoch := newAheadPair(t, card)
		got := make(chan []byte)
		go func() { got <- p.w.must(t, epoch, read(1)) }()
		p.t.waitsFor(t, 1)
		send(t, p, epoch, 1, read(1), answer)
		require.Equal(t, answer, <-got)
		close(card.gate)
		p.t.hasDone(t, 1)
		require.Equal(t, card.answer(2), p.w.must(t, epoch, read(2)), "the late response answers nothing")
	})
}

// TestEL3PromisesGoWithTheSession: what was read ahead is wiped at both ends.
func TestEL3PromisesGoWithTheSession(t *testing.T) {
	_, p, _ := twoAtHand(t)
	at, open := p.w.slots[SlotCPS].desk.Held(), p.t.slots[SlotCPS].promiser.Held()
	require.Len(t, at, 2)
	require.Len(t, open, 2)
	p.t.Leave(ByeStopped, "over")
	<-p.endT
	<-p.endW
	requireWiped(t, slices.Concat(at, open))
}

// requireWiped requires that nothing is left of responses (EL3).
func requireWiped(t testing.TB, responses [][]byte) {
	t.Helper()
	for _, response := range responses {
		require.Equal(t, make([]byte, len(response)), response)
	}
}

// newPairWith returns a running session over loopback, whose ends read ahead.
func newPairWith(t *testing.T, tla, pdt int) *pair {
	return startPair(t, TerminalConfig{Ahead: tla}, WorkstationConfig{Ahead: pdt})
}
