package cardsim

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Control bytes of vpcd, in frames of length one. Every other frame is a command APDU. A command and ctrlATR need a
// response.
const (
	ctrlPowerOff = 0x00
	ctrlPowerOn  = 0x01
	ctrlReset    = 0x02
	ctrlATR      = 0x04
)

// lastGasp is how long a removed card still answers 6F00: vpcd takes a close in the middle of an exchange for an empty
// success.
const lastGasp = 20 * time.Millisecond

// drainTime is how long vpcd may take to see a removal (it polls every 400 ms). Until then its polls are read: unread,
// they would turn the close into a reset.
const drainTime = time.Second

// Plug inserts card into the slot of vpcd that listens on addr. It serves the card until ctx ends (the card is pulled
// out: nil) or vpcd closes the connection (an error). In both cases the card has lost its power when Plug returns.
//
// vpcd notices a removal only after a pause: leave the slot empty for [SlotPause] before the next Plug.
func Plug(ctx context.Context, addr string, card Card) error {
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	return serve(ctx, conn, card)
}

func dial(ctx context.Context, addr string) (*net.TCPConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot plug a card into %s: %w", addr, err)
	}
	return conn.(*net.TCPConn), nil
}

// serve answers vpcd until the card is pulled or vpcd goes away.
func serve(ctx context.Context, conn *net.TCPConn, card Card) error {
	defer card.PowerOff()
	defer conn.Close()
	p := plugged{conn: conn, card: card}
	stop := context.AfterFunc(ctx, p.pull)
	defer stop()
	for {
		err := p.exchange()
		switch {
		case err == nil:
		case p.pulled.Load() && errors.Is(err, os.ErrDeadlineExceeded):
			p.leave()
			return nil
		default:
			return fmt.Errorf("cannot go on with the reader at %s: %w", conn.RemoteAddr(), err)
		}
	}
}

// plugged is a card in a slot.
type plugged struct {
	conn   *net.TCPConn
	card   Card
	pulled atomic.Bool
}

func (p *plugged) pull() {
	p.pulled.Store(true)
	_ = p.conn.SetReadDeadline(time.Now().Add(lastGasp))
}

// leave closes the card's half of the connection and waits until vpcd has closed its own.
func (p *plugged) leave() {
	_ = p.conn.CloseWrite()
	_ = p.conn.SetReadDeadline(time.Now().Add(drainTime))
	_, _ = io.Copy(io.Discard, p.conn)
}

// exchange reads one frame, acts on it and answers if an answer is due.
func (p *plugged) exchange() error {
	frame, err := p.read()
	if err != nil {
		return err
	}
	if answer := p.act(frame); answer != nil {
		return p.write(answer)
	}
	return nil
}

func (p *plugged) act(frame []byte) []byte {
	if len(frame) != 1 {
		return p.process(frame)
	}
	switch frame[0] {
	case ctrlPowerOff:
		p.card.PowerOff()
	case ctrlPowerOn:
		p.card.PowerOn()
	case ctrlReset:
		p.card.Reset()
	case ctrlATR:
		return p.card.ATR()
	}
	return nil
}

func (p *plugged) process(cmd []byte) []byte {
	if p.pulled.Load() {
		return status(swCardMuted)
	}
	return p.card.Process(cmd)
}

// read reads a frame (two bytes of length, big-endian, then the payload) and returns the payload.
func (p *plugged) read() ([]byte, error) {
	var size [2]byte
	if err := p.fill(size[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint16(size[:]))
	return payload, p.fill(payload)
}

// fill reads b in full. vpcd writes length and payload separately, so a delayed acknowledgement would stall every
// exchange by 40 ms: before each read it asks the kernel for a prompt one.
func (p *plugged) fill(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if err := quickAck(p.conn); err != nil {
		return err
	}
	_, err := io.ReadFull(p.conn, b)
	return err
}

func (p *plugged) write(answer []byte) error {
	if len(answer) > 0xFFFF {
		return fmt.Errorf("cannot frame a response of %d bytes", len(answer))
	}
	frame := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(answer)), uint16(len(answer)))
	_, err := p.conn.Write(append(frame, answer...))
	return err
}
