package vpcd

import (
	"context"
	"errors"
	"net"
	"time"

	"tlagate/pdt"
	"tlagate/session"
)

// errDropped ends a plug whose connection the driver closed.
var errDropped = errors.New("virtual reader driver closed the connection")

var (
	swWrongLength = []byte{0x67, 0x00}
	swNoDiagnosis = []byte{0x6F, 0x00} // the card is gone, or its reader failed
)

const driverWrite = 10 * time.Second // longest write to the driver

// plug is one card on one connection to the driver. One goroutine reads requests, one serves them.
type plug struct {
	cfg      Config
	conn     net.Conn
	tcp      *net.TCPConn
	card     *pdt.Card
	seen     func()        // called when the driver has taken the card in
	requests chan []byte   // from read; the receiver wipes them
	quit     chan struct{} // closed when nobody receives any more

	atrsSent int         // how often the driver has read the ATR
	on       bool        // the driver has powered the card on, once at least
	off      bool        // the driver has powered the card off
	idle     *time.Timer // fires when that has lasted long enough to tell the terminal
	wbuf     []byte
}

func newPlug(cfg Config, conn *net.TCPConn, card *pdt.Card, seen func()) *plug {
	p := &plug{cfg: cfg, conn: quicken(conn), tcp: conn, card: card, seen: seen,
		requests: make(chan []byte), quit: make(chan struct{}), idle: time.NewTimer(time.Hour)}
	p.idle.Stop()
	return p
}

// serve answers the driver until ctx ends (the card was removed), the driver closes the connection, or the card turns
// out to be lost. It closes the connection.
func (p *plug) serve(ctx context.Context) error {
	connected, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer p.idle.Stop()
	go p.read(func() { cancel(errDropped) })
	err := p.answer(ctx, connected)
	if !errors.Is(err, errDropped) {
		p.farewell()
	}
	close(p.quit)
	p.hangUp()
	return err
}

// read passes requests on until the connection ends, and calls dropped at once then: a command may be under way.
func (p *plug) read(dropped func()) {
	defer close(p.requests)
	defer dropped()
	for {
		req, err := readFrame(p.conn)
		if err != nil {
			return
		}
		select {
		case p.requests <- req:
		case <-p.quit:
			clear(req)
		}
	}
}

// answer serves requests. connected ends with ctx, and when the connection ends, with the cause errDropped.
func (p *plug) answer(ctx, connected context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.idle.C:
			if err := p.card.Reset(session.PowerOff); lost(err) {
				return err
			}
		case req, ok := <-p.requests:
			if !ok {
				return errDropped
			}
			err := p.serveOne(connected, req)
			clear(req)
			if err != nil {
				return err
			}
		}
	}
}

// serveOne handles one request; an error ends the plug.
func (p *plug) serveOne(connected context.Context, req []byte) error {
	control, ok := controlOf(req)
	if !ok {
		return p.command(connected, req)
	}
	switch control {
	case powerOff:
		p.off = true
		p.card.Unpower()
		p.idle.Reset(p.cfg.PowerOff)
	case powerOn:
		p.on = true
		return p.powerUp()
	case warmReset:
		return p.reset()
	case getATR:
		return p.sendATR()
	}
	return nil
}

// unpoweredATRs is how often a driver that never powers the card on has read the ATR by the time programs see the card.
const unpoweredATRs = 3

// sendATR answers with the ATR. The driver reads it once or twice to find out that there is a card; once it has powered
// the card on and read it again (Linux), or read it again at its polls (Windows), programs see the card.
func (p *plug) sendATR() error {
	err := p.send(p.card.ATR())
	if p.atrsSent++; err == nil && (p.on || p.atrsSent == unpoweredATRs) {
		p.seen()
	}
	return err
}

// powerUp makes a real cold reset of a power-on that follows a power-off: on the wire, an idle power-off and the cold
// reset that a program asked for look the same. Without a power-off before it, the card is as the terminal reset it.
func (p *plug) powerUp() error {
	if !p.off {
		return nil
	}
	p.idle.Stop()
	p.off = false
	return p.card.Reset(session.ResetCold)
}

func (p *plug) reset() error {
	if p.off {
		return p.powerUp()
	}
	return p.card.Reset(session.ResetWarm)
}

// command has the card execute a command, and answers 6F00 when it cannot: a program must not take the end of the
// connection for an empty response. If only the terminal's reader failed, the card stays; anything else ends the plug.
func (p *plug) command(connected context.Context, apdu []byte) error {
	if len(apdu) < session.MinCommand {
		return p.send(swWrongLength)
	}
	err := connected.Err() // the card may have gone just before
	if err == nil {
		err = p.powerUp()
	}
	if err != nil {
		return errors.Join(err, p.send(swNoDiagnosis))
	}
	response, err := p.card.Transmit(connected, apdu)
	defer clear(response)
	switch {
	case err == nil && len(response) <= maxPayload:
		return p.send(response)
	case err == nil || errors.Is(err, session.Failed):
		return p.send(swNoDiagnosis)
	case errors.Is(context.Cause(connected), errDropped):
		return errDropped
	}
	return errors.Join(err, p.send(swNoDiagnosis))
}

// lost reports whether an error of a power-off means that the card is not there any more. A reader that cannot power
// off is asked for a cold reset at the next power-on anyway.
func lost(err error) bool { return err != nil && !errors.Is(err, session.Failed) }

// send writes one frame in one call.
func (p *plug) send(payload []byte) error {
	p.wbuf = appendFrame(p.wbuf[:0], payload)
	defer clear(p.wbuf)
	_ = p.conn.SetWriteDeadline(time.Now().Add(driverWrite))
	if _, err := p.conn.Write(p.wbuf); err != nil {
		return errDropped
	}
	return nil
}

// farewell waits for the moment at which the driver sees a removal: its next poll, which is not answered. Commands
// until then get 6F00, since a program takes a connection that closes under its command for an empty success. For a
// driver that does not poll, it waits for the gap.
func (p *plug) farewell() {
	limit := time.NewTimer(p.cfg.Gap)
	defer limit.Stop()
	for {
		select {
		case <-limit.C:
			return
		case req, ok := <-p.requests:
			if !ok || !p.dismiss(req) {
				return
			}
		}
	}
}

// dismiss answers one request for a card that is gone, and reports whether to wait for more.
func (p *plug) dismiss(req []byte) bool {
	defer clear(req)
	control, ok := controlOf(req)
	if !ok {
		return p.send(swNoDiagnosis) == nil
	}
	return control != getATR
}

// hangUp closes without a reset of the connection, which the driver may mishandle: it closes its own direction, and
// lets the driver close first, up to the gap.
func (p *plug) hangUp() {
	_ = p.tcp.CloseWrite()
	_ = p.tcp.SetReadDeadline(time.Now().Add(p.cfg.Gap))
	for req := range p.requests { // the reader drops what comes, and ends
		clear(req)
	}
	_ = p.tcp.Close()
}
