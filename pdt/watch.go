package pdt

import (
	"context"
	"time"

	"tlagate/pki"
)

// watch checks a live peer's certificate again whenever revocation data change, when it ends, and each time that every
// has passed. When it no longer passes, watch calls cut with the *pki.Refusal and returns; it also returns when ctx
// ends.
func watch(ctx context.Context, trust *pki.Trust, peer *pki.Peer, every time.Duration, cut func(error)) {
	for {
		changed := trust.Changed() // before the check, or a change during it would be missed
		if err := trust.Recheck(peer); err != nil {
			cut(err)
			return
		}
		timer := time.NewTimer(min(every, max(time.Until(peer.NotAfter), time.Millisecond)))
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
