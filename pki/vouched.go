package pki

import (
	"sync"
	"time"

	"tlagate/internal/stamp"
)

// vouched is the latest time that others have said it is.
type vouched struct {
	mu   sync.Mutex
	at   time.Time
	told time.Time // of a clock that is behind
}

const (
	clockBehind = 30 * time.Second // how far a signer may be ahead of us before it is told
	tellBehind  = time.Hour        // between two such warnings
)

// Vouched gives the latest time that a CA or its responder vouches for: thisUpdate of the CRLs and OCSP answers that were believed here. It was
// past, then: our own clock can keep it from rising, and cannot raise it. Zero = nobody has said anything.
func (t *Trust) Vouched() time.Time {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	return t.vouched.at
}

// vouch takes in the time of something whose signature was verified. What lies ahead of us may be a mistake of its signer.
func (t *Trust) vouch(at, now time.Time) {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	if ahead := at.Sub(now); ahead > clockBehind && now.Sub(t.vouched.told).Abs() >= tellBehind {
		t.vouched.told = now
		t.log.Warn("our clock is behind, or the PKI's is ahead: what it has signed begins later than now; peers and lists are refused when it is more",
			"begins", stamp.Instant(at), "now", stamp.Instant(now), "refused_from", clockSkew.String())
	}
	if at.After(t.vouched.at) && !at.After(now.Add(clockSkew)) {
		t.vouched.at = at
	}
}
