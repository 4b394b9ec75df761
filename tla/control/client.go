package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrNoDaemon means that nothing listens on the socket.
var ErrNoDaemon = errors.New("nothing listens on the control socket")

// Ask sends a command to the daemon on socket and puts its answer into answer, a pointer to a struct. It waits until
// ctx ends, which tells the daemon. The error may be a *Fault, or ErrNoDaemon.
func Ask(ctx context.Context, socket, command string, answer any) error {
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("cannot reach the relay: %w: %w", ErrNoDaemon, err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if err := c.SetWriteDeadline(time.Now().Add(askTime)); err != nil {
		return err
	}
	// A daemon that refuses us may close before it has read: its answer counts, not our error.
	failed := json.NewEncoder(c).Encode(Request{Version, command})
	line, err := readLine(c, maxAnswer)
	if err != nil {
		return fmt.Errorf("cannot read the relay's answer: %w", errors.Join(ctx.Err(), failed, err))
	}
	return read(line, answer)
}

// read finds a Fault before it looks for an answer.
func read(line []byte, answer any) error {
	var f faultAnswer
	if err := json.Unmarshal(line, &f); err != nil {
		return fmt.Errorf("cannot read the relay's answer: %w", err)
	}
	if f.Version != Version {
		return fmt.Errorf("cannot read the relay's answer: it speaks version %d, want %d: use the same release", f.Version, Version)
	}
	switch {
	case f.Error == nil:
	case f.Error.Code == FaultBadRequest, f.Error.Code == FaultVersion, f.Error.Code == FaultNotAllowed, f.Error.Code == FaultTooMany:
		return f.Error
	}
	return json.Unmarshal(line, answer)
}
