package pki

import (
	"sync"
	"time"
)

// vouched is the latest time that others have said it is.
type vouched struct {
	mu sync.Mutex
	at time.Time
}

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
	if at.After(t.vouched.at) && !at.After(now.Add(clockSkew)) {
		t.vouched.at = at
	}
}
