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
	last    uint32     // number of the last insertion
	version string     // of the driver that has the slot, or had it last
	asked   uint32     // the last insertion that a program asked for
}

func newReader(d *Driver, slot session.Slot) *reader {
	return &reader{d: d, slot: slot, log: d.cfg.Log.With("slot", slot.String())}
}

// firstRecovery is the pause after the first reset that failed.
const firstRecovery = time.Second

// Show implements [pdt.Reader].
func (r *reader) Show(ctx context.Context, card *pdt.Card) {
	for {
		p := r.insert(ctx, card)
		err := p.wait()
		r.remove(p)
		if ctx.Err() != nil {
			return
		}
		if !card.Recover(ctx, err, firstRecovery) {
			return
		}
		r.log.Warn("programs lost the card; it was reset and is shown again", "error", err)
	}
}

// insert gives the driver a card.
func (r *reader) insert(ctx context.Context, card *pdt.Card) *plug {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	r.plug = newPlug(ctx, card, r.last, r.d.cfg.PowerOff)
	r.tell(frameInserted, r.last, card.ATR())
	return r.plug
}

// remove takes it away again: when it returns, nothing that a program sends can reach the card.
func (r *reader) remove(p *plug) {
	r.mu.Lock()
	r.plug = nil
	r.tell(frameRemoved, p.number, nil)
	r.mu.Unlock()
	p.close()
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
	if r.plug != nil {
		first = appendFrame(first, frameInserted, r.plug.number, r.plug.card.ATR())
	} else {
		first = appendFrame(first, frameRemoved, 0)
	}
	if l.write(l.events, first) != nil {
		l.hangUp()
	}
	return true
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

// detach ends a link. The next driver may be another pcscd's: before it can have the slot, the card must have forgotten
// what the programs of this one did.
func (r *reader) detach(l *link) {
	l.hangUp()
	l.end()
	r.mu.Lock()
	p := r.plug
	r.mu.Unlock()
	if p != nil {
		p.unpower()
	}
	r.mu.Lock()
	r.link, r.asked = nil, 0
	r.mu.Unlock()
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
