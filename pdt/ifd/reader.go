package ifd

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"tlagate/pdt"
	"tlagate/session"
)

// reader is one slot: the driver that has it, and the card in it.
type reader struct {
	d    *Driver
	slot session.Slot
	log  *slog.Logger

	mu      sync.Mutex // protects the rest, and the order of events
	link    *link      // nil = no driver
	plug    *plug      // nil = no card
	renews  bool       // there is a card, which is being reset before the driver hears of it again
	last    uint32     // number of the last insertion
	version string     // of the driver that has the slot, or had it last
	asked   uint32     // the last insertion that a program asked for
}

func newReader(d *Driver, slot session.Slot) *reader {
	return &reader{d: d, slot: slot, log: d.cfg.Log.With("slot", slot.String())}
}

// firstRecovery is the pause after the first reset that failed.
const firstRecovery = time.Second

// errDriverGone says why a card is reset whose driver went away.
var errDriverGone = errors.New("the reader driver went away")

// Show implements [pdt.Reader].
func (r *reader) Show(ctx context.Context, card *pdt.Card) {
	for {
		p := r.insert(ctx, card)
		err := p.wait()
		r.remove(p, ctx.Err() == nil)
		if ctx.Err() != nil {
			return
		}
		if !card.Recover(ctx, err, firstRecovery) {
			r.giveUp()
			return
		}
		if !errors.Is(err, errDriverGone) {
			r.log.Warn("programs lost the card; it was reset and is shown again", "error", err)
		}
	}
}

// insert gives the driver a card.
func (r *reader) insert(ctx context.Context, card *pdt.Card) *plug {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.renews = false
	r.plug = newPlug(ctx, card, r.last, r.d.cfg.PowerOff)
	r.tell(frameInserted, r.last, card.ATR())
	return r.plug
}

// remove takes it away again: when it returns, nothing that a program sends can reach the card. renews says that it
// will be back.
func (r *reader) remove(p *plug, renews bool) {
	r.mu.Lock()
	if r.plug == p {
		r.tell(frameRemoved, p.number, nil)
	}
	r.plug, r.renews = nil, renews
	r.mu.Unlock()
	p.close()
}

// giveUp tells the driver that a card will not be back.
func (r *reader) giveUp() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.renews = false
	r.tell(frameRemoved, 0, nil)
}

// tell sends an event, if there is a driver. The caller has mu.
func (r *reader) tell(t frameType, number uint32, payload []byte) {
	if r.link != nil && r.link.send(t, number, payload) != nil {
		r.link.hangUp()
	}
}

// plugged returns the card of an insertion, or nil if that is not the present one.
func (r *reader) plugged(insertion uint32) *plug {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plug == nil || r.plug.number != insertion {
		return nil
	}
	return r.plug
}

// State returns how the slot stands with its driver.
func (r *reader) State() pdt.DriverState {
	r.mu.Lock()
	s := pdt.DriverState{Connected: r.link != nil, Version: r.version}
	if r.link != nil && r.plug != nil {
		s.Shown = r.plug.shown.Load()
		s.Asked = s.Shown && r.asked == r.plug.number
	}
	r.mu.Unlock()
	r.d.describe(&s)
	return s
}

// serveEvents makes a link of a driver's first connection, and serves it until it ends.
func (r *reader) serveEvents(ctx context.Context, c *net.UnixConn, in *frames, version string) welcome {
	l := newLink(ctx, c)
	if !r.attach(l, version) {
		return taken
	}
	r.log.Debug("reader driver connected", "version", version)
	err := r.readEvents(in)
	r.detach(l)
	if ctx.Err() == nil {
		r.log.Debug("reader driver hung up", "error", err)
	}
	if errors.Is(err, errProtocol) {
		r.d.complain(c, err)
	}
	return welcomed
}

// attach gives the slot to a driver, and tells it what there is.
func (r *reader) attach(l *link, version string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != nil {
		return false
	}
	r.link, r.version = l, version
	_ = l.events.SetDeadline(time.Time{})
	r.d.praise()
	first := appendWelcome(nil, welcomed, l.id)
	switch {
	case r.plug != nil:
		first = appendFrame(first, frameInserted, r.plug.number, r.plug.card.ATR())
	case r.renews:
		time.AfterFunc(renewal, func() { r.tellEmpty(l) })
	default:
		first = appendFrame(first, frameRemoved, 0)
	}
	if l.write(l.events, first) != nil {
		l.hangUp()
	}
	return true
}

// renewal is how long a new driver waits for a card that is being reset, before it is told that there is none. All
// programs of its pcscd wait as long, which must not be until a lost link is back.
const renewal = time.Second

// tellEmpty tells a driver that there is no card, unless it was told of one.
func (r *reader) tellEmpty(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link == l && r.plug == nil {
		r.tell(frameRemoved, 0, nil)
	}
}

// readEvents takes what the driver says by itself, until the connection ends.
func (r *reader) readEvents(in *frames) error {
	for {
		f, err := in.next()
		if err != nil {
			return err
		}
		if f.typ != frameAsked || len(f.payload) != 0 {
			return protocolErrorf("frame type %02X on events", byte(f.typ))
		}
		r.mu.Lock()
		r.asked = f.number
		r.mu.Unlock()
	}
}

// detach ends a link. The next driver may be another pcscd's: it must not hear of the card before that has forgotten
// what the programs of this one did. Nor may it hear of a card that still has to be reset when pcscd gives it power:
// until that is done, pcscd lets no program begin.
func (r *reader) detach(l *link) {
	l.hangUp()
	l.end()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.link, r.asked = nil, 0
	if r.plug != nil && r.plug.used.Load() {
		r.plug.lose(errDriverGone)
		r.plug, r.renews = nil, true
	}
}

// serveRequests serves a driver's second connection until it ends, which ends the link.
func (r *reader) serveRequests(c *net.UnixConn, in *frames, id linkID) welcome {
	r.mu.Lock()
	l := r.link
	r.mu.Unlock()
	if l == nil || l.id != id || !l.join(c) {
		return noLink
	}
	defer l.leave()
	defer l.hangUp()
	_ = c.SetDeadline(time.Time{})
	if l.write(c, appendWelcome(nil, welcomed, id)) != nil {
		return welcomed
	}
	stop := l.pulse(r.d.working)
	err := r.answerAll(l, in)
	stop()
	if errors.Is(err, errProtocol) {
		r.d.complain(c, err)
	}
	return welcomed
}

// answerAll answers requests until the connection ends.
func (r *reader) answerAll(l *link, in *frames) error {
	for number := uint32(1); ; number++ {
		f, err := in.next()
		if err != nil {
			return err
		}
		q, err := parseRequest(f, number)
		if err != nil {
			return err
		}
		if err := r.answer(l, q); err != nil {
			return err
		}
	}
}

// answer has the card do what is asked, and says how that went.
func (r *reader) answer(l *link, q request) error {
	p := r.plugged(q.insertion)
	if p == nil {
		return l.answer(q.number, gone, nil)
	}
	l.begin(q.number)
	o, body := p.do(l.ctx, q)
	defer clear(body)
	if err := l.answer(q.number, o, body); err != nil {
		return err
	}
	if q.typ == framePowerUp && o == done {
		p.seen()
	}
	return nil
}
