package link

import "time"

// Records that carry no data cost work and bring the peer nothing; docs/protocol.md, section 5, says how many one may
// send.
const (
	rationBurst = 128
	rationEvery = time.Second / 16
)

var errRation = protocolErrorf("more pings and status records than there may be")

// ration bounds them. It is owned by the reader.
type ration struct {
	full time.Time // when as many as the burst may come again
}

// take reports whether one more may come.
func (r *ration) take(now time.Time, every time.Duration) bool {
	if r.full.Before(now) {
		r.full = now
	}
	r.full = r.full.Add(every)
	return r.full.Sub(now) <= rationBurst*every
}
