package tla

import (
	"context"
	"time"
)

// standstill is a time limit that can stand still. Its methods are called by one goroutine.
type standstill struct {
	timer *time.Timer
	left  time.Duration // when the timer was last started
	since time.Time     // when that was
}

// withStandstill is like context.WithTimeout, with a limit that can stand still.
func withStandstill(ctx context.Context, limit time.Duration) (context.Context, *standstill, context.CancelFunc) {
	ctx, end := context.WithCancelCause(ctx)
	s := &standstill{left: limit, since: time.Now()}
	s.timer = time.AfterFunc(limit, func() { end(context.DeadlineExceeded) })
	return ctx, s, func() { s.timer.Stop(); end(context.Canceled) }
}

// pause stops the time until resume is called. A limit that is over stays over.
func (s *standstill) pause() (resume func()) {
	if !s.timer.Stop() {
		return func() {}
	}
	s.left -= time.Since(s.since)
	return func() {
		s.since = time.Now()
		s.timer.Reset(s.left)
	}
}
