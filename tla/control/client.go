package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"time"

	"tlagate/internal/local"
)

// Why a daemon cannot be asked.
var (
	ErrNoDaemon   = errors.New("nothing listens on the control socket")
	ErrNotAllowed = errors.New("this user may not use the control socket")
)

// Ask is AskFor for a request that is only a command.
func Ask(ctx context.Context, socket, command string, answer any) error {
	return AskFor(ctx, socket, Request{Command: command}, answer)
}

// AskFor sends a request, in our version, to the daemon on socket and puts its answer into answer, a pointer to a
// struct. It waits until ctx ends, and then hangs up, which the daemon notices. The error may be a *Fault, ErrNoDaemon
// or ErrNotAllowed.
func AskFor(ctx context.Context, socket string, r Request, answer any) error {
	r.Version = Version
	c, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return fmt.Errorf("cannot reach the relay: %w: %w", unreachable(err), err)
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if err := c.SetWriteDeadline(time.Now().Add(askTime)); err != nil {
		return err
	}
	// A daemon that refuses us may close before it has read the request: its answer counts, not our error.
	failed := json.NewEncoder(c).Encode(r)
	line, err := local.ReadLine(c, maxAnswer)
	if err != nil {
		return fmt.Errorf("cannot read the relay's answer: %w", errors.Join(ctx.Err(), failed, err))
	}
	return read(line, answer)
}

// read returns the Fault that line has, or puts the answer in it into answer.
func read(line []byte, answer any) error {
	var f faultAnswer
	if err := json.Unmarshal(line, &f); err != nil {
		return fmt.Errorf("cannot read the relay's answer: %w", err)
	}
	if f.Version != Version {
		return fmt.Errorf("cannot read the relay's answer: it speaks version %d, want %d: use the same release",
			f.Version, Version)
	}
	switch {
	case f.Error == nil:
	case f.Error.Code == FaultBadRequest, f.Error.Code == FaultVersion, f.Error.Code == FaultNotAllowed,
		f.Error.Code == FaultTooMany, f.Error.Code == FaultNotLocal:
		return f.Error
	}
	return json.Unmarshal(line, answer)
}

func unreachable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return ErrNotAllowed
	}
	return ErrNoDaemon
}
