package pdt

import (
	"context"
	"time"

	"tlagate/pki/trust"
)

// watched is what is checked again as long as something lives.
type watched struct {
	changed func() <-chan struct{} // of revocation data
	check   func() error           // why it no longer passes
	until   time.Time              // when it ends by itself
}

// peerOf returns a live peer's certificate as something to watch.
func peerOf(t *trust.Trust, peer *trust.Peer) watched {
	return watched{t.Changed, func() error { return t.Recheck(peer) }, peer.NotAfter}
}

// watch checks again whenever revocation data change, at the end of what it checks, and each time that every has
// passed. When the check fails, watch calls cut with the error, of a peer a *pki.Refusal, and returns; it also returns
// when ctx ends.
func watch(ctx context.Context, w watched, every time.Duration, cut func(error)) {
	for {
		changed := w.changed() // before the check, or a change during it would be missed
		if err := w.check(); err != nil {
			cut(err)
			return
		}
		timer := time.NewTimer(w.pause(every))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pause returns the time until the next check. What has ended, and is let live all the same, is no reason to hurry.
func (w watched) pause(every time.Duration) time.Duration {
	if left := time.Until(w.until); left > -time.Second {
		return min(every, max(left, time.Millisecond))
	}
	return every
}
