package session

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"sync"
)

// Error makes an outcome other than Done the error of an exchange.
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

// WorkstationConfig configures the PdT's end. The functions are called by Run, in the order of events, and must not block.
type WorkstationConfig struct {
	Session  string // 32 hex digits, as in joined
	Timers   Timers
	Inserted func(Slot, Inserted)
	Removed  func(Slot)
}

// Workstation is the PdT's end of a card session. Its methods may be called from any goroutine.
type Workstation struct {
	cfg   WorkstationConfig
	s     *stream
	slots [Slots]*workstationSlot
}

// workstationSlot has one exchange outstanding: whoever holds the token of free.
type workstationSlot struct {
	free  chan struct{}
	reply chan response // capacity 1

	mu        sync.Mutex // protects the rest
	seq       uint32     // of the last exchange
	waiting   bool       // its response has not come
	abandoned bool       // and nobody wants it any more
}

type response struct {
	epoch   uint32
	outcome Outcome
	body    []byte // owned by who receives it
}

// OpenWorkstation reads the TLA's hello on a connection whose handshake is done. Then either
// Refuse, or Run, which accepts.
func OpenWorkstation(conn net.Conn, cfg WorkstationConfig) (*Workstation, error) {
	w := newWorkstation(conn, cfg)
	if err := w.readHello(); err != nil {
		return nil, w.s.fail(err)
	}
	return w, nil
}

func newWorkstation(conn net.Conn, cfg WorkstationConfig) *Workstation {
	w := &Workstation{cfg: cfg, s: newStream(conn, cfg.Timers)}
	for i := range w.slots {
		w.slots[i] = &workstationSlot{free: make(chan struct{}, 1), reply: make(chan response, 1)}
		w.slots[i].free <- struct{}{}
	}
	return w
}

func (w *Workstation) readHello() error {
	f, err := w.s.read()
	if err != nil {
		return err
	}
	var h helloTLA
	if f.typ != FrameHello || json.Unmarshal(f.payload, &h) != nil {
		return protocolErrorf("first frame is no hello")
	}
	return h.check(w.cfg.Session)
}

// Refuse ends the session instead of Run; it waits until the TLA has heard.
func (w *Workstation) Refuse(code ByeCode, text string) {
	w.s.leave(&Bye{code, text})
	_, err := w.s.read()
	w.s.close(err)
}

// Leave ends the session with a reason.
func (w *Workstation) Leave(code ByeCode, text string) { w.s.leave(&Bye{code, text}) }

// Run accepts the session and serves it until it ends, and says why: *Bye, ErrDead, *ProtocolError or an
// error of the connection. When ctx ends the TLA is told bye.
func (w *Workstation) Run(ctx context.Context) error {
	defer w.s.until(ctx)()
	if err := w.s.writeJSON(FrameHello, helloPdT{version, w.cfg.Session}); err != nil {
		return w.s.fail(err)
	}
	for {
		f, err := w.s.read()
		if err == nil {
			err = w.handle(f)
		}
		if err != nil {
			return w.s.fail(err)
		}
	}
}

func (w *Workstation) handle(f frame) error {
	switch f.typ {
	case FrameInserted:
		return w.inserted(f)
	case FrameRemoved:
		w.cfg.Removed(f.slot)
		return nil
	case FrameResponse:
		return w.slots[f.slot].deliver(f)
	}
	return protocolErrorf("frame type %d in the wrong direction", f.typ)
}

func (w *Workstation) inserted(f frame) error {
	p := Protocol(f.payload[4])
	if p > T1 {
		return protocolErrorf("transmission protocol %d", p)
	}
	w.cfg.Inserted(f.slot, Inserted{
		Epoch:    binary.BigEndian.Uint32(f.payload),
		Protocol: p,
		ATR:      append([]byte(nil), f.payload[5:]...),
	})
	return nil
}

// Transmit has the card of that slot and epoch execute a command APDU and returns its response APDU.
// The error is an Outcome, ctx's, or why the session ended. A PIN never reaches the network (SP2, SP4): of a VERIFY only the
// header is sent, what it held is wiped in apdu, and the terminal's user is asked; other commands that carry one are answered 6982 here.
func (w *Workstation) Transmit(ctx context.Context, slot Slot, epoch uint32, apdu []byte) ([]byte, error) {
	if len(apdu) < MinCommand || len(apdu) > MaxCommand {
		return nil, fmt.Errorf("cannot send a command APDU of %d octets: want %d to %d", len(apdu), MinCommand, MaxCommand)
	}
	if header, ok := blank(apdu); ok {
		r, err := w.exchange(ctx, FrameVerify, slot, epoch, header)
		return r.body, err
	}
	if CarriesPIN(apdu) {
		return append([]byte(nil), SWSecurityStatus...), nil
	}
	r, err := w.exchange(ctx, FrameCommand, slot, epoch, apdu)
	return r.body, err
}

// Reset resets the card of that slot and epoch and returns its new epoch and ATR (empty after PowerOff).
// The errors are those of Transmit; with an Outcome the epoch is the slot's current one all the same, so that
// after Failed the caller can go on with a card that is still there.
func (w *Workstation) Reset(ctx context.Context, slot Slot, epoch uint32, kind ResetKind) (uint32, []byte, error) {
	r, err := w.exchange(ctx, FrameReset, slot, epoch, []byte{byte(kind)})
	return r.epoch, r.body, err
}

// exchange sends one command or reset and waits for its response.
func (w *Workstation) exchange(ctx context.Context, t FrameType, slot Slot, epoch uint32, body []byte) (response, error) {
	ws := w.slots[slot]
	select {
	case <-ws.free:
	case <-ctx.Done():
		return response{}, ctx.Err()
	case <-w.s.done:
		return response{}, w.s.why(net.ErrClosed)
	}
	x := exchangeID{epoch, ws.begin()}
	if err := w.s.write(t, slot, x.bytes(), body); err != nil {
		w.s.close(err) // half a frame may be out: nothing can follow it
		return response{}, err
	}
	select {
	case r := <-ws.reply:
		ws.free <- struct{}{}
		return r.result()
	case <-ctx.Done():
		ws.abandon()
		return response{}, ctx.Err()
	case <-w.s.done:
		return response{}, w.s.why(net.ErrClosed)
	}
}

func (r response) result() (response, error) {
	if r.outcome != Done {
		return response{epoch: r.epoch}, r.outcome
	}
	return r, nil
}

func (ws *workstationSlot) begin() uint32 {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.seq++
	ws.waiting, ws.abandoned = true, false
	return ws.seq
}

// abandon gives up waiting: the slot is free again once the response has come.
func (ws *workstationSlot) abandon() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.waiting {
		ws.abandoned = true
		return
	}
	r := <-ws.reply // it came meanwhile
	wipe(r.body)
	ws.free <- struct{}{}
}

// deliver hands a response to whom it is for.
func (ws *workstationSlot) deliver(f frame) error {
	x, rest := splitExchange(f.payload)
	r := response{epoch: x.epoch, outcome: Outcome(rest[0])}
	if r.outcome > Failed || (r.outcome != Done && len(rest) > 1) {
		return protocolErrorf("response with outcome %d", r.outcome)
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !ws.waiting || x.seq != ws.seq {
		return protocolErrorf("response %d, which nothing waits for", x.seq)
	}
	ws.waiting = false
	defer wipe(f.payload)
	if ws.abandoned {
		ws.free <- struct{}{}
		return nil
	}
	r.body = append([]byte(nil), rest[1:]...)
	ws.reply <- r
	return nil
}
