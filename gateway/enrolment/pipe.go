package enrolment

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki/listen"
)

// Why a piped connection ended, or was not piped.
const (
	EndedClosed      = "closed" // by an end
	EndedOctets      = "octets"
	EndedTime        = "time"
	EndedIdle        = "idle"
	EndedStopping    = "stopping"
	EndedUnreachable = "unreachable" // the PKI
	EndedTooMany     = listen.TooMany
)

var (
	errPipeTime   = errors.New(EndedTime)
	errPipeIdle   = errors.New(EndedIdle)
	errPipeOctets = errors.New(EndedOctets)
)

// pipe passes octets on between two connections, and closes both in the end.
type pipe struct {
	near, far      net.Conn
	octets         int64 // each way, at most
	idle           time.Duration
	sent, received atomic.Int64 // to far, and from it
	silence        *time.Timer
}

// run returns why it ended.
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
		return EndedStopping
	}
	return EndedClosed
}

// pass passes on what src sends until its end, then tells dst that there is no more.
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
