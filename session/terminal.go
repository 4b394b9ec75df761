package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"tlagate/session/ahead"
)

// ErrCardLost is returned by a Card that was removed, or reset by somebody else, so that nobody knows whether the
// command was executed.
var ErrCardLost = errors.New("card was removed or reset while the command ran")

// Card is a card in a reader of the TLA, for one insertion. Its methods are called one at a time. Any error but
// ErrCardLost means that the reader failed with the card still there.
type Card interface {
	// Transmit sends a command APDU and returns the response APDU (2..65 538 octets). Neither may be kept.
	Transmit(apdu []byte) ([]byte, error)
	// Reset resets the card and returns its ATR; after PowerOff that may be empty.
	Reset(kind ResetKind) ([]byte, error)
}

// TerminalConfig configures the TLA's end.
type TerminalConfig struct {
	ID     ID
	Timers Timers
	// OnCommand is called after each command or reset that reached a card; it must not block. nil = not called.
	OnCommand func(Slot)
	// OnPIN is called when a command is refused because it carries a PIN; nil = not called.
	OnPIN func(Slot)
	// OnShown is called once for each card that programs at the PdT see; it must not block. nil = not called.
	OnShown func(Slot)
	// Ahead is how many promises may be open in a slot, for cards that are an AheadCard; 0 = no read-ahead.
	Ahead int
	// OnTaken is called after OnCommand for each command that a prediction has executed; it must not block. nil = not
	// called.
	OnTaken func(Slot)
}

// Terminal is the TLA's end of a card session, over one link after another. Its methods may be called from any
// goroutine.
type Terminal struct {
	cfg    TerminalConfig
	secret []byte // exported from the first link; nil = the session ends with that link
	up     chan struct{}
	tells  bool // the PdT will say when programs see a card; known once up, as is window
	window int  // of read-ahead, as both ends agree; 0 = none
	slots  [Slots]*terminalSlot

	start sync.Once
	wg    sync.WaitGroup
	end   sync.Once
	quit  chan struct{} // closed by Close

	mu sync.Mutex // protects s
	s  *stream    // the present link; nil = it was lost
}

// terminalSlot is one slot; one goroutine executes its jobs, in the order of arrival.
type terminalSlot struct {
	slot Slot
	jobs chan job

	mu    sync.Mutex // protects the rest, and the order of the slot's frames
	book  ledger
	card  Card
	shown []byte  // protocol and ATR of the card, as inserted carries them
	since uint32  // the epoch in which it came in
	seen  bool    // programs at the PdT see it
	out   *stream // where frames go; nil while there is no link, or the PdT has not said where it stands

	promiser *ahead.Promiser // nil = no read-ahead
	aging    *aging          // wipes what is promised for too long; nil = no read-ahead
	wake     chan struct{}   // capacity 1: something may be predicted
	unsure   uint32          // promises that were open when the link was lost: takes of them may be, too
}

// job is one exchange to execute on a card.
type job struct {
	card Card
	kind ResetKind // 0 = a command
	apdu []byte    // owned by the job
	ask  bool      // apdu is the header of a VERIFY, for which the user is asked for the PIN
}

// OpenTerminal says hello on a connection to a PdT whose handshake is done. The session is up when Up is closed. The
// caller then calls Run; or Serve, and in the end Close.
func OpenTerminal(conn net.Conn, cfg TerminalConfig) (*Terminal, error) {
	t := &Terminal{cfg: cfg, s: newStream(conn, cfg.Timers), up: make(chan struct{}), quit: make(chan struct{})}
	for i := range t.slots {
		t.slots[i] = &terminalSlot{slot: Slot(i), jobs: make(chan job, 1), out: t.s,
			wake: make(chan struct{}, 1)}
	}
	var err error
	if t.secret, err = export(conn, labelSecret, cfg.ID.String()); err == nil {
		hello := newHelloTLA(cfg.ID)
		hello.Shown, hello.Ahead = true, offer(cfg.Ahead)
		err = t.s.writeJSON(frameHello, hello)
	}
	if err != nil {
		return nil, t.s.fail(err)
	}
	return t, nil
}

// Up returns a channel that is closed when the PdT has accepted the session.
func (t *Terminal) Up() <-chan struct{} { return t.up }

// TellsShown reports whether the PdT tells when its programs see a card; before the session is up it returns false.
func (t *Terminal) TellsShown() bool { return t.isUp() && t.tells }

// Shown reports whether programs at the PdT see the card of a slot, as far as the PdT has said.
func (t *Terminal) Shown(slot Slot) bool {
	ts := t.slots[slot]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.seen
}

// Run serves a session that ends with its link, and returns why it ended: *Bye, ErrDead, *ProtocolError or an error of
// the connection. It waits for commands under way at the cards. When ctx ends, it says bye to the PdT.
func (t *Terminal) Run(ctx context.Context) error {
	defer t.Close()
	return t.Serve(ctx)
}

// Serve serves the present link until it ends, and returns why, as Run does. The caller then calls Resume, if the error
// is Resumable, or Close; until then commands under way go on, and cards may be inserted and removed.
func (t *Terminal) Serve(ctx context.Context) error {
	t.start.Do(func() {
		for _, ts := range t.slots {
			t.wg.Go(func() { t.work(ts) })
		}
	})
	s := t.link()
	if s == nil {
		return errClosed
	}
	defer s.leaveAfter(ctx)()
	err := s.fail(t.readAll(s))
	wipe(s.rbuf)
	t.detach()
	return err
}

func (t *Terminal) link() *stream {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s
}

// detach stops all writing until there is another link.
func (t *Terminal) detach() {
	for _, ts := range t.slots {
		ts.mu.Lock()
		ts.loseLink()
		ts.mu.Unlock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.s = nil
}

// Close ends the session on this side. It waits for commands under way at the cards, and wipes what is left of card
// data (EL3).
func (t *Terminal) Close() {
	t.end.Do(func() {
		close(t.quit)
		if s := t.link(); s != nil {
			s.close(errClosed)
		}
	})
	t.wg.Wait()
	for _, ts := range t.slots {
		ts.mu.Lock()
		wipe(ts.book.kept)
		ts.dropPromises()
		ts.leaveCard()
		ts.mu.Unlock()
	}
	clear(t.secret)
}

// Leave ends the session with a reason, and tells the PdT if there is a link.
func (t *Terminal) Leave(code ByeCode, text string) {
	if s := t.link(); s != nil {
		s.leave(&Bye{code, text})
	}
}

// Insert tells the PdT of a card, which gets the slot's exchanges until Remove.
func (t *Terminal) Insert(slot Slot, atr []byte, p Protocol, card Card) error {
	if len(atr) < MinATR || len(atr) > MaxATR {
		return fmt.Errorf("cannot show the %s card: its ATR has %d octets, want %d to %d",
			slot, len(atr), MinATR, MaxATR)
	}
	ts := t.slots[slot]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.card != nil {
		return fmt.Errorf("cannot show a second %s card: remove the first one", slot)
	}
	ts.card, ts.shown = card, append([]byte{byte(p)}, atr...)
	ts.since, ts.seen = ts.book.insert(), false
	ts.changed()
	return ts.sendCard()
}

// Remove tells the PdT that the card is gone; without a card it does nothing.
func (t *Terminal) Remove(slot Slot) error {
	ts := t.slots[slot]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.card == nil {
		return nil
	}
	ts.leaveCard()
	ts.card, ts.shown, ts.seen = nil, nil, false
	ts.book.remove()
	ts.changed()
	return ts.sendCard()
}

// sendCard sends inserted for the present card, or removed when there is none. The caller holds ts.mu.
func (ts *terminalSlot) sendCard() error {
	if ts.out == nil {
		return nil
	}
	if ts.card == nil {
		return ts.out.write(frameRemoved, ts.slot, epochBytes(ts.book.epoch))
	}
	return ts.out.write(frameInserted, ts.slot, epochBytes(ts.book.epoch), ts.shown)
}

// readAll handles what the PdT sends until the link ends, and returns why it did.
func (t *Terminal) readAll(s *stream) error {
	if !t.isUp() {
		h, err := t.readHello(s)
		if err != nil {
			return err
		}
		t.tells = h.Shown
		t.beginAhead(agree(t.cfg.Ahead, h.Ahead))
		close(t.up)
	}
	for {
		f, err := s.read()
		if err != nil {
			return err
		}
		if err := t.handle(f); err != nil {
			return err
		}
	}
}

func (t *Terminal) handle(f frame) error {
	if err := t.expect(f.typ); err != nil {
		return err
	}
	switch f.typ {
	case frameShown:
		t.handleShown(f)
		return nil
	case frameTake:
		return t.taken(f)
	}
	return t.admit(f)
}

// expect returns an error for a frame that a PdT does not send, with or without read-ahead.
func (t *Terminal) expect(typ frameType) error {
	switch typ {
	case frameShown, frameReset, frameVerify:
		return nil
	case frameAsk, frameTake:
		if t.window > 0 {
			return nil
		}
	case frameCommand:
		if t.window == 0 {
			return nil
		}
	}
	return protocolErrorf("frame type %d in the wrong direction, or not agreed", typ)
}

// handleShown takes a shown. Whatever the PdT sends, and however often, it costs a look and counts once for each card.
func (t *Terminal) handleShown(f frame) {
	if t.slots[f.slot].noteShown(binary.BigEndian.Uint32(f.payload)) && t.cfg.OnShown != nil {
		t.cfg.OnShown(f.slot)
	}
}

// noteShown takes a shown of the slot, and reports whether it is the first about the card that is in.
func (ts *terminalSlot) noteShown(epoch uint32) (news bool) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	news = ts.card != nil && !ts.seen && epoch >= ts.since && epoch <= ts.book.epoch
	ts.seen = ts.seen || news
	return news
}

func (t *Terminal) readHello(s *stream) (h helloPdT, err error) {
	f, err := s.read()
	if err != nil {
		return h, err
	}
	if f.typ != frameHello || json.Unmarshal(f.payload, &h) != nil {
		return h, protocolErrorf("first frame is no hello")
	}
	if h.Version != version || h.Session != t.cfg.ID.String() {
		return h, protocolErrorf("hello for another version or session")
	}
	return h, nil
}

// admit takes a command or reset, which is executed, answered from the kept response or by a promise, or refused.
func (t *Terminal) admit(f frame) error {
	x, body := splitExchange(f.payload)
	kind, got := ResetKind(0), uint32(0)
	switch f.typ {
	case frameReset:
		if kind = ResetKind(body[0]); kind < ResetWarm || kind > PowerOff {
			return protocolErrorf("reset of kind %d", kind)
		}
	case frameAsk:
		got, body = splitNumber(body)
	}
	defer wipe(f.payload)
	ts := t.slots[f.slot]
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if f.typ == frameAsk && ts.promiser.Unsure(got, body) {
		return errUnsure
	}
	switch v, outcome := ts.book.admit(x); v {
	case execute:
		j := job{ts.card, kind, append([]byte(nil), body...), f.typ == frameVerify}
		if f.typ == frameAsk && t.foreseen(ts, got, j.apdu) {
			return nil
		}
		ts.dropPromises()
		ts.jobs <- j // this never blocks: one exchange is outstanding
		return nil
	case replay:
		return t.replay(ts)
	case answer:
		return t.settle(ts, outcome, nil)
	default:
		return protocolErrorf("sequence number %d of the %s slot out of order", x.seq, f.slot)
	}
}

func (t *Terminal) replay(ts *terminalSlot) error {
	if ts.book.running {
		return nil // the answer is on its way
	}
	return ts.write(ts.book.kept)
}

// write sends a frame, if there is a link. The caller holds ts.mu.
func (ts *terminalSlot) write(frame []byte) error {
	if ts.out == nil {
		return nil
	}
	return ts.out.writeFrame(frame)
}

// settle answers the running exchange. The caller holds ts.mu.
func (t *Terminal) settle(ts *terminalSlot, outcome Outcome, body []byte) error {
	return ts.write(ts.keep(outcome, body))
}

// keep keeps the response of the running exchange. The caller holds ts.mu.
func (ts *terminalSlot) keep(outcome Outcome, body []byte) []byte {
	return ts.book.settle(outcome, func(kept []byte, x exchangeID, o Outcome) []byte {
		if o != Done {
			body = nil
		}
		return appendFrame(kept, frameResponse, ts.slot, x.bytes(), []byte{byte(o)}, body)
	})
}

// work executes a slot's exchanges until the session ends, and predictions while there is none.
func (t *Terminal) work(ts *terminalSlot) {
	for {
		select {
		case <-t.quit:
			return
		case j := <-ts.jobs:
			t.execute(ts, j)
			continue
		default:
		}
		if t.predict(ts) {
			continue
		}
		select {
		case <-t.quit:
			return
		case j := <-ts.jobs:
			t.execute(ts, j)
		case <-ts.wake:
		}
	}
}

// execute executes one exchange at the card, without the lock, and answers it.
func (t *Terminal) execute(ts *terminalSlot, j job) {
	body, err := t.run(ts, j)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if j.kind != 0 && ts.card == j.card {
		ts.book.reset()
		if err == nil && len(body) >= MinATR && len(body) <= MaxATR {
			ts.shown = append(ts.shown[:1:1], body...)
		}
	}
	t.finish(ts, j, body, err)
}

// finish answers an exchange whose job has ended, and wipes both. The caller holds ts.mu.
func (t *Terminal) finish(ts *terminalSlot, j job, body []byte, err error) {
	outcome := outcomeOf(err)
	if outcome == Done && len(body) > MaxResponse {
		outcome = Failed
	}
	if err := t.settle(ts, outcome, body); err != nil {
		ts.out.close(err)
	}
	ts.learn(j, outcome, body)
	wipe(j.apdu)
	wipe(body)
}

func (t *Terminal) run(ts *terminalSlot, j job) ([]byte, error) {
	pins, canAsk := j.card.(PINCard)
	if j.kind == 0 && CarriesPIN(j.apdu) || j.ask && (!canAsk || j.apdu[1] != insVerify) {
		if t.cfg.OnPIN != nil {
			t.cfg.OnPIN(ts.slot)
		}
		return append([]byte(nil), swSecurityStatus...), nil
	}
	if t.cfg.OnCommand != nil {
		defer t.cfg.OnCommand(ts.slot)
	}
	if j.kind != 0 {
		return j.card.Reset(j.kind)
	}
	body, err := []byte(nil), error(nil)
	if j.ask {
		body, err = pins.VerifyPIN([MinCommand]byte(j.apdu))
	} else {
		body, err = j.card.Transmit(j.apdu)
	}
	if err == nil && len(body) < MinResponse {
		return nil, errors.New("response without a status word")
	}
	return body, err
}

func outcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Done
	case errors.Is(err, ErrCardLost):
		return Unknown
	}
	return Failed
}

func epochBytes(e uint32) []byte { return binary.BigEndian.AppendUint32(nil, e) }
