// Package enrolment is the way of devices without a certificate through a gateway to the PKI (docs/enrolment.md,
// section 4): connections for its name are piped to it, still encrypted, before any certificate is asked for.
package enrolment

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"time"

	"tlagate/est"
	"tlagate/pki/listen"
)

// Config says which connections are piped, and where to. Zero stands for the default of each.
type Config struct {
	Name        string        // SNI that is piped, beside est.AnyName; "" = only est.AnyName
	To          string        // host:port of the PKI's EST server
	Connections int           // at once, 64
	PerAddress  int           // of them from one IPv4 address or IPv6 /64, 8
	Octets      int64         // each way, 1 MiB
	Time        time.Duration // of one, 60 s
	Idle        time.Duration // without an octet either way, 20 s
	Dial        est.Dial      // nil = net.Dialer's
}

func (e Config) withDefaults() Config {
	e.Connections = cmp.Or(e.Connections, 64)
	e.PerAddress = cmp.Or(e.PerAddress, 8)
	e.Octets = cmp.Or(e.Octets, 1<<20)
	e.Time = cmp.Or(e.Time, time.Minute)
	e.Idle = cmp.Or(e.Idle, 20*time.Second)
	if e.Dial == nil {
		e.Dial = new(net.Dialer).DialContext
	}
	return e
}

// Pipe pipes devices to the PKI.
type Pipe struct {
	Config
	room   *listen.Room
	ration *listen.Ration
}

// New returns nil when e is nil.
func New(e *Config, log *slog.Logger) *Pipe {
	if e == nil {
		return nil
	}
	n := &Pipe{Config: e.withDefaults(), ration: listen.NewRation(log)}
	n.room = listen.NewRoom(listen.RoomConfig{Places: n.Connections, Each: n.PerAddress, Silent: n.Idle})
	return n
}

// Divert fits listen.Config.Divert.
func (e *Pipe) Divert(ctx context.Context, c net.Conn) (net.Conn, func(context.Context)) {
	name, again := PeekName(ctx, c)
	if name == "" || !strings.EqualFold(name, e.Name) && !strings.EqualFold(name, est.AnyName) {
		return again, nil
	}
	return again, func(ctx context.Context) { e.serve(ctx, again) }
}

// serve pipes one connection, from the first octet to its end.
func (e *Pipe) serve(ctx context.Context, near net.Conn) {
	guest := e.room.Enter(near)
	defer guest.Close()
	remote := near.RemoteAddr().String()
	ctx, cancel := context.WithTimeoutCause(ctx, e.Time, errPipeTime)
	defer cancel()
	far, err := e.dial(ctx)
	if err != nil {
		e.ration.Log(listen.Line{Level: slog.LevelError, Message: "enrolment cannot reach the PKI", Remote: remote,
			Reason: EndedUnreachable}, "to", e.To, "error", err)
		return
	}
	began := time.Now()
	one := &pipe{near: guest, far: far, octets: e.Octets, idle: e.Idle}
	why := one.run(ctx)
	if gone := guest.Gone(); errors.Is(gone, listen.ErrSilent) {
		why = EndedIdle
	} else if gone != nil {
		why = EndedTooMany
	}
	e.ration.Log(listen.Line{Level: slog.LevelInfo, Message: "enrolment connection ended", Remote: remote, Reason: why},
		"sent", one.sent.Load(), "received", one.received.Load(), "lasted", time.Since(began))
}

const pipeDialTime = 5 * time.Second

func (e *Pipe) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, pipeDialTime)
	defer cancel()
	return e.Dial(ctx, "tcp", e.To)
}
