package link

import (
	"time"

	"tlagate/internal/bucket"
)

// Records that carry no data cost work and bring the peer nothing; docs/protocol.md, section 5, says how many one may
// send.
const (
	rationBurst = 128
	rationEvery = time.Second / 16
)

var errRation = protocolErrorf("more pings and status records than there may be")

// ration bounds them. It is owned by the reader.
type ration struct{ left bucket.Bucket }

// take reports whether one more may come.
func (r *ration) take(now time.Time, every time.Duration) bool {
	return r.left.Take(now, bucket.Rate{Size: rationBurst, Period: every}) == 0
}
