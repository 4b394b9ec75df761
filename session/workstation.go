package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"sync"

	"tlagate/session/ahead"
)

// Error makes any outcome but Done the error of an exchange.
func (o Outcome) Error() string {
	switch o {
	case StaleEpoch:
		return "command was for a card that is no longer there"
	case NoCard:
		return "no card"
	case Unknown:
		return ErrCardLost.Error()
	case Failed:
		return "the terminal's reader reports an error"
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Inserted is a card as the PdT first sees it.
type Inserted struct {
	Epoch    uint32
	Protocol Protocol
	ATR      []byte // 2..33 octets
}

// WorkstationConfig configures the PdT's end. The functions are called by Run, Serve and Resume, in the order of
// events, and must not block.
type WorkstationConfig struct {
	Session  string // 32 hex digits, as in joined
	Timers   Timers
	Inserted func(Slot, Inserted)
	Removed  func(Slot)
	Shows    bool // Shown will be called for each card that programs see; the TLA's user may wait for that
	Ahead    int  // how many promises of the TLA may be at hand in a slot; 0 = no read-ahead
}

// Workstation is the PdT's end of a card session, over one link after another. Its methods may be called from any
// goroutine.
type Workstation struct {
	cfg    WorkstationConfig
	secret []byte // exported from the first link; nil = the session ends with that link
	hello  helloTLA
	window int // of read-ahead, as both ends agree; 0 = none
	slots  [Slots]*workstationSlot

	turn chan struct{} // a token: its holder uses the link
	end  sync.Once
	over chan struct{} // closed by Close, when cause is set

	mu         sync.Mutex // protects the rest
	s          *stream    // the present link, or the last one
	accepted   bool       // Serve has begun
	generation uint32
	cause      error
}

// workstationSlot has one exchange outstanding: that of the holder of free's token.
type workstationSlot struct {
	slot  Slot
	free  chan struct{}
	reply chan response // capacity 1
	frame []byte        // of that exchange; owned by the holder of the token, or, once abandoned, by the book

	mu    sync.Mutex // protects the rest
	book  claim
	since uint32  // the epoch in which the card came in, or went
	shown bool    // programs see the card
	out   *stream // where commands go; nil while there is no link

	desk  *ahead.Desk // nil = no read-ahead
	aging *aging      // drops what the desk has had for too long; nil = no read-ahead
}

type response struct {
	epoch   uint32
	outcome Outcome
	body    []byte // owned by the receiver
}

// OpenWorkstation reads the TLA's hello on a connection whose handshake is done. The caller then calls Refuse; or Run,
// which accepts the session; or Serve, which accepts it too, and in the end Close.
func OpenWorkstation(conn net.Conn, cfg WorkstationConfig) (*Workstation, error) {
	w := newWorkstation(conn, cfg)
	var err error
	if w.secret, err = export(conn, labelSecret, cfg.Session); err == nil {
		w.hello, err = w.readHello(w.s)
	}
	if err != nil {
		return nil, w.s.fail(err)
	}
	w.beginAhead(agree(cfg.Ahead, w.hello.Ahead))
	return w, nil
}

func newWorkstation(conn net.Conn, cfg WorkstationConfig) *Workstation {
	w := &Workstation{cfg: cfg, s: newStream(conn, cfg.Timers), turn: make(chan struct{}, 1), over: make(chan struct{})}
	w.turn <- struct{}{}
	for i := range w.slots {
		w.slots[i] = &workstationSlot{slot: Slot(i), free: make(chan struct{}, 1), reply: make(chan response, 1)}
		w.slots[i].free <- struct{}{}
	}
	return w
}

func (w *Workstation) readHello(s *stream) (h helloTLA, err error) {
	f, err := s.read()
	if err != nil {
		return h, err
	}
	if f.typ != frameHello || json.Unmarshal(f.payload, &h) != nil {
		return h, protocolErrorf("first frame is no hello")
	}
	return h, h.check(w.cfg.Session)
}

// Refuse ends the session instead of Run; it waits until the TLA has read why.
func (w *Workstation) Refuse(code ByeCode, text string) { w.s.refuse(code, text) }

func (s *stream) refuse(code ByeCode, text string) {
	s.leave(&Bye{code, text})
	_, err := s.read()
	s.close(err)
}

// Leave ends the session with a reason, and tells the TLA if there is a link.
func (w *Workstation) Leave(code ByeCode, text string) { w.link().leave(&Bye{code, text}) }

func (w *Workstation) link() *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.s
}

// Run accepts a session that ends with its link, serves it, and returns why it ended: *Bye, ErrDead, *ProtocolError or
// an error of the connection. When ctx ends, it says bye to the TLA.
func (w *Workstation) Run(ctx context.Context) error {
	err := w.Serve(ctx)
	w.Close(err)
	return err
}

// Serve accepts the session, serves its first link until that ends, and returns why, as Run does. If the error is
// Resumable, the TLA may resume over another link; until it does, or Close ends the session, exchanges wait.
func (w *Workstation) Serve(ctx context.Context) error {
	<-w.turn
	defer func() { w.turn <- struct{}{} }()
	s := w.accept()
	if w.hello.Resume != nil {
		return s.fail(protocolErrorf("hello of a further link on a first one"))
	}
	for _, ws := range w.slots {
		ws.mu.Lock()
		ws.out = s
		ws.mu.Unlock()
	}
	hello := helloPdT{Version: version, Session: w.cfg.Session, Shown: w.tellsShown(),
		Ahead: offer(w.window)}
	if err := s.writeJSON(frameHello, hello); err != nil {
		return s.fail(err)
	}
	return w.serve(ctx, s)
}

// accept lets the TLA resume from now on, and returns the first link.
func (w *Workstation) accept() *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.accepted = true
	return w.s
}

// serve reads a link until it ends. The caller has the turn.
func (w *Workstation) serve(ctx context.Context, s *stream) error {
	defer s.leaveAfter(ctx)()
	defer w.detach()
	for {
		f, err := s.read()
		if err == nil {
			err = w.handle(f)
		}
		if err != nil {
			return s.fail(err)
		}
		runtime.Gosched() // whoever waits for an answer has it before we look in vain for the next frame
	}
}

// detach makes commands wait until there is another link.
func (w *Workstation) detach() {
	for _, ws := range w.slots {
		ws.mu.Lock()
		ws.loseLink()
		ws.mu.Unlock()
	}
}

// Close ends the session on this side: every exchange that waits for a response returns cause.
func (w *Workstation) Close(cause error) {
	w.end.Do(func() {
		w.mu.Lock()
		w.cause = cause
		w.mu.Unlock()
		close(w.over)
	})
	w.link().close(cause)
	for _, ws := range w.slots {
		ws.forget()
	}
}

// forget wipes an abandoned exchange, and what is at hand.
func (ws *workstationSlot) forget() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.dropPromises()
	if ws.book.waiting && ws.book.abandoned {
		wipe(ws.frame)
	}
}

func (w *Workstation) why() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

func (w *Workstation) handle(f frame) error {
	switch f.typ {
	case frameInserted:
		return w.inserted(f)
	case frameRemoved:
		return w.removed(f)
	case frameResponse:
		return w.slots[f.slot].deliver(f)
	case frameAhead:
		if w.window > 0 {
			return w.slots[f.slot].promise(f)
		}
	}
	return protocolErrorf("frame type %d in the wrong direction", f.typ)
}

func (w *Workstation) inserted(f frame) error {
	p := Protocol(f.payload[4])
	if p > T1 {
		return protocolErrorf("transmission protocol %d", p)
	}
	if news, err := w.slots[f.slot].newEpoch(f); err != nil || !news {
		return err
	}
	w.cfg.Inserted(f.slot, Inserted{
		Epoch:    binary.BigEndian.Uint32(f.payload),
		Protocol: p,
		ATR:      append([]byte(nil), f.payload[5:]...),
	})
	return nil
}

func (w *Workstation) removed(f frame) error {
	news, err := w.slots[f.slot].newEpoch(f)
	if err == nil && news {
		w.cfg.Removed(f.slot)
	}
	return err
}

// newEpoch takes the epoch of an inserted or removed; news reports whether it was not known yet.
func (ws *workstationSlot) newEpoch(f frame) (news bool, err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	epoch, before := binary.BigEndian.Uint32(f.payload), ws.book.epoch
	if !ws.book.advance(epoch) {
		return false, protocolErrorf("the %s slot is in epoch %d after %d", ws.slot, epoch, before)
	}
	if news = epoch != before; news {
		ws.since, ws.shown = epoch, false
		ws.enter()
	}
	return news, nil
}

// tellsShown reports whether the TLA is told of cards that programs see: both ends know how.
func (w *Workstation) tellsShown() bool { return w.cfg.Shows && w.hello.Shown }

// Shown tells the TLA, if it wants to know, that programs see the card that was inserted in that epoch. It may block as
// long as a write.
func (w *Workstation) Shown(slot Slot, epoch uint32) {
	if !w.tellsShown() {
		return
	}
	if out := w.slots[slot].noteShown(epoch); out != nil {
		if err := out.write(frameShown, slot, epochBytes(epoch)); err != nil {
			out.close(err)
		}
	}
}

// noteShown records that programs see a card, if it is still the one in the slot. It returns the link on which to tell
// the TLA; what that loses is sent again on the next.
func (ws *workstationSlot) noteShown(epoch uint32) *stream {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if epoch != ws.since {
		return nil
	}
	ws.shown = true
	return ws.out
}

// Transmit has the card of that slot and epoch execute a command APDU and returns its response APDU. The error is an
// Outcome, ctx's, or why the session ended. No PIN reaches the network (SP2, SP4): of a VERIFY only the header is sent,
// its data are wiped in apdu, and the terminal's user is asked; other commands that carry a PIN are answered 6982 here.
func (w *Workstation) Transmit(ctx context.Context, slot Slot, epoch uint32, apdu []byte) ([]byte, error) {
	if len(apdu) < MinCommand || len(apdu) > MaxCommand {
		return nil, fmt.Errorf("cannot send a command APDU of %d octets: want %d to %d",
			len(apdu), MinCommand, MaxCommand)
	}
	if header, ok := blank(apdu); ok {
		r, err := w.exchange(ctx, frameVerify, slot, epoch, header)
		return r.body, err
	}
	if CarriesPIN(apdu) {
		return append([]byte(nil), swSecurityStatus...), nil
	}
	r, err := w.exchange(ctx, frameCommand, slot, epoch, apdu)
	return r.body, err
}

// Verify asks the terminal's user for a PIN, has the card of that slot and epoch verify it, and returns the status word
// (SP4). header is CLA INS P1 P2 of a VERIFY. The errors are those of Transmit.
func (w *Workstation) Verify(ctx context.Context, slot Slot, epoch uint32, header [MinCommand]byte) ([]byte, error) {
	if header[1] != insVerify {
		return nil, fmt.Errorf("cannot ask for a PIN for instruction %02X: want a VERIFY (20)", header[1])
	}
	r, err := w.exchange(ctx, frameVerify, slot, epoch, header[:])
	return r.body, err
}

// Reset resets the card of that slot and epoch and returns its new epoch and ATR (empty after PowerOff). The errors are
// those of Transmit. With an Outcome, the epoch is the slot's present one all the same, so that after Failed the caller
// can go on with a card that is still there.
func (w *Workstation) Reset(ctx context.Context, slot Slot, epoch uint32, kind ResetKind) (uint32, []byte, error) {
	r, err := w.exchange(ctx, frameReset, slot, epoch, []byte{byte(kind)})
	return r.epoch, r.body, err
}

// exchange sends one command or reset and waits for its response, over every link of the session.
func (w *Workstation) exchange(ctx context.Context, t frameType, slot Slot, epoch uint32,
	body []byte) (response, error) {
	ws := w.slots[slot]
	select {
	case <-ws.free:
	case <-ctx.Done():
		return response{}, ctx.Err()
	case <-w.over:
		return response{}, w.why()
	}
	ws.send(t, epoch, body)
	select {
	case r := <-ws.reply:
		ws.done()
		return r.result()
	case <-ctx.Done():
		ws.abandon()
		return response{}, ctx.Err()
	case <-w.over:
		ws.wipe()
		return response{}, w.why()
	}
}

func (ws *workstationSlot) wipe() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	wipe(ws.frame)
}

func (r response) result() (response, error) {
	if r.outcome != Done {
		return response{epoch: r.epoch}, r.outcome
	}
	return r, nil
}

// send numbers an exchange and sends it; what a link loses is sent again on the next.
func (ws *workstationSlot) send(t frameType, epoch uint32, body []byte) {
	if out := ws.begin(t, epoch, body); out != nil {
		if err := out.writeFrame(ws.frame); err != nil {
			out.close(err) // half a frame may have been sent: nothing can follow it
		}
	}
}

func (ws *workstationSlot) begin(t frameType, epoch uint32, body []byte) *stream {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.desk != nil {
		ws.beginAhead(t, epoch, body)
		return ws.out
	}
	ws.frame = appendFrame(ws.frame[:0], t, ws.slot, exchangeID{epoch, ws.book.begin()}.bytes(), body)
	return ws.out
}

// done ends the exchange and frees the slot.
func (ws *workstationSlot) done() {
	wipe(ws.frame)
	ws.free <- struct{}{}
}

// abandon gives up waiting for the response; the slot is free again once it has come.
func (ws *workstationSlot) abandon() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.book.abandon() {
		return
	}
	r := <-ws.reply // it came meanwhile
	wipe(r.body)
	ws.done()
}

// deliver passes a response to the exchange that waits for it.
func (ws *workstationSlot) deliver(f frame) error {
	x, rest := splitExchange(f.payload)
	r := response{epoch: x.epoch, outcome: Outcome(rest[0])}
	if r.outcome > Failed || (r.outcome != Done && len(rest) > 1) {
		return protocolErrorf("response with outcome %d", r.outcome)
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	defer wipe(f.payload)
	how := ws.book.accept(x, r.outcome)
	switch how {
	case stray:
		return protocolErrorf("response %d of epoch %d, which nothing waits for", x.seq, x.epoch)
	case late:
		return nil
	}
	ws.answered(r.outcome)
	if how == unwanted {
		ws.done()
		return nil
	}
	r.body = append([]byte(nil), rest[1:]...)
	ws.reply <- r
	return nil
}
