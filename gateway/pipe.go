package gateway

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/est"
	"tlagate/pki/listen"
)

// Enrolment is the way of devices to the PKI (docs/enrolment.md, section 4): connections for its name are piped to it, still
// encrypted, before any certificate is asked for. Each zero means its default.
type Enrolment struct {
	Name        string        // SNI that is piped, beside est.AnyName; "" = that alone
	To          string        // host:port of the PKI's EST server
	Connections int           // at once, 64
	PerAddress  int           // of them from one IPv4 address or IPv6 /64, 8
	Octets      int64         // each way, 1 MiB
	Time        time.Duration // of one, 60 s
	Idle        time.Duration // without an octet either way, 20 s
	Dial        est.Dial      // nil = net.Dialer's
}

func (e Enrolment) withDefaults() Enrolment {
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

// Why a piped connection ended, or was not piped.
const (
	pipeClosed      = "closed" // by an end
	pipeOctets      = "octets"
	pipeTime        = "time"
	pipeIdle        = "idle"
	pipeStopping    = "stopping"
	pipeUnreachable = "unreachable" // the PKI
	pipeTooMany     = listen.TooMany
)

// pipes are the connections to the PKI.
type pipes struct {
	Enrolment
	room *listen.Room
	log  *slog.Logger
	told *listen.Ration
}

func newPipes(e *Enrolment, log *slog.Logger) *pipes {
	if e == nil {
		return nil
	}
	p := &pipes{Enrolment: e.withDefaults(), log: log, told: listen.NewRation(log)}
	p.room = listen.NewRoom(listen.RoomConfig{Places: p.Connections, Each: p.PerAddress, Silent: p.Idle})
	return p
}

// divert fits listen.Config.Divert.
func (p *pipes) divert(ctx context.Context, c net.Conn) (net.Conn, func(context.Context)) {
	name, again := peekName(ctx, c)
	if name == "" || !strings.EqualFold(name, p.Name) && !strings.EqualFold(name, est.AnyName) {
		return again, nil
	}
	return again, func(ctx context.Context) { p.serve(ctx, again) }
}

// serve is one piped connection, from the first octet to its end.
func (p *pipes) serve(ctx context.Context, near net.Conn) {
	guest := p.room.Enter(near)
	defer guest.Close()
	remote := near.RemoteAddr().String()
	ctx, cancel := context.WithTimeoutCause(ctx, p.Time, errPipeTime)
	defer cancel()
	far, err := p.dial(ctx)
	if err != nil {
		p.told.Log(listen.Line{Level: slog.LevelError, Message: "enrolment cannot reach the PKI", Remote: remote,
			Reason: pipeUnreachable}, "to", p.To, "error", err)
		return
	}
	began := time.Now()
	one := &pipe{near: guest, far: far, octets: p.Octets, idle: p.Idle}
	why := one.run(ctx)
	if guest.Gone() != nil {
		why = pipeTooMany
	}
	p.told.Log(listen.Line{Level: slog.LevelInfo, Message: "enrolment connection ended", Remote: remote, Reason: why},
		"sent", one.sent.Load(), "received", one.received.Load(), "lasted", time.Since(began))
}

const pipeDialTime = 5 * time.Second

func (p *pipes) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, pipeDialTime)
	defer cancel()
	return p.Dial(ctx, "tcp", p.To)
}

var (
	errPipeTime   = errors.New(pipeTime)
	errPipeIdle   = errors.New(pipeIdle)
	errPipeOctets = errors.New(pipeOctets)
)

// pipe passes octets on between two connections, and closes both at its end.
type pipe struct {
	near, far      net.Conn
	octets         int64 // each way, at most
	idle           time.Duration
	sent, received atomic.Int64 // to far, and from it
	silence        *time.Timer
}

// run gives why it ended.
func (p *pipe) run(ctx context.Context) string {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	p.silence = time.AfterFunc(p.idle, func() { stop(errPipeIdle) })
	defer p.silence.Stop()
	var ways sync.WaitGroup
	ways.Go(func() { p.pass(p.far, p.near, &p.sent, stop) })
	ways.Go(func() { p.pass(p.near, p.far, &p.received, stop) })
	both := make(chan struct{})
	go func() { ways.Wait(); close(both) }()
	select {
	case <-both:
	case <-ctx.Done():
	}
	p.near.Close()
	p.far.Close()
	<-both
	return ending(context.Cause(ctx))
}

func ending(cause error) string {
	for _, e := range []error{errPipeTime, errPipeIdle, errPipeOctets} {
		if errors.Is(cause, e) {
			return e.Error()
		}
	}
	if errors.Is(cause, context.Canceled) || errors.Is(cause, net.ErrClosed) {
		return pipeStopping
	}
	return pipeClosed
}

// pass is one way, to the end of what src sends; then dst is told that there is no more.
func (p *pipe) pass(dst, src net.Conn, count *atomic.Int64, stop context.CancelCauseFunc) {
	buf := make([]byte, 8<<10)
	for {
		n, err := src.Read(buf)
		if count.Add(int64(n)) > p.octets {
			stop(errPipeOctets)
			return
		}
		p.silence.Reset(p.idle)
		if n > 0 {
			if _, wrong := dst.Write(buf[:n]); wrong != nil {
				stop(io.ErrClosedPipe)
				return
			}
		}
		if err == io.EOF {
			_ = closeWrite(dst)
			return
		}
		if err != nil {
			stop(io.ErrClosedPipe)
			return
		}
	}
}
