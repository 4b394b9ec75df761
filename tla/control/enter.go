package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"tlagate/internal/local"
)

// Entry is a connection on which a PIN is entered: Ask, then Send.
type Entry struct {
	conn net.Conn
	stop func() bool
}

// Enter offers to enter a PIN: command is CommandPIN or CommandPINLastTry. It waits until a PIN is wanted, at most half
// a minute, and puts which one, or why none, into wanted. The errors are those of Ask. The caller must call Close.
func Enter(ctx context.Context, socket, command string, wanted any) (*Entry, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the relay: %w: %w", unreachable(err), err)
	}
	e := &Entry{c, context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })}
	failed := json.NewEncoder(c).Encode(Request{Version: Version, Command: command})
	if err := e.read(wanted); err != nil {
		e.Close()
		return nil, errors.Join(ctx.Err(), failed, err)
	}
	return e, nil
}

// Send sends one line, the PIN, as pin writes it, and puts what became of it into answer.
func (e *Entry) Send(pin io.WriterTo, answer any) error {
	if _, err := pin.WriteTo(e.conn); err != nil {
		return fmt.Errorf("cannot hand over the PIN: %w", err)
	}
	return e.read(answer)
}

func (e *Entry) read(into any) error {
	line, err := local.ReadLine(e.conn, maxAnswer)
	if err != nil {
		return fmt.Errorf("cannot read the relay's answer: %w", err)
	}
	return read(line, into)
}

// Close ends the entry; without a Send before it, another client may enter the PIN.
func (e *Entry) Close() error {
	e.stop()
	return e.conn.Close()
}
