package revocation

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"tlagate/internal/stamp"
	"tlagate/pki/internal/certutil"
)

// shared is what all parts of a Store have in common.
type shared struct {
	cfg     Config
	log     *slog.Logger
	links   certutil.Signatures
	vouched vouched

	mu      sync.Mutex
	cas     map[[32]byte]*x509.Certificate // CAs known to be good, by digest: judge new CRLs as they are read
	changed chan struct{}                  // closed and replaced at each change
	updated chan struct{}                  // likewise, but for Deny and Allow
}

func newShared(cfg Config) *shared {
	return &shared{cfg: cfg, log: cfg.Log, cas: map[[32]byte]*x509.Certificate{},
		changed: make(chan struct{}), updated: make(chan struct{})}
}

func (t *shared) now() time.Time { return t.cfg.Clock() }

// within gives a context that ends when Stop is closed, and after a time.
func (t *shared) within(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := t.untilStop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, func() { cancel(); stop() }
}

// untilStop gives a context that ends when Stop is closed.
func (t *shared) untilStop() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-t.cfg.Stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// Changed gives a channel that is closed at the next change of revocation data, a CRL going stale included;
// call again for the next. Take it before looking at the data, so that no change is missed.
func (t *shared) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Updated is Changed but for what Deny and Allow say: who watches Denials as well need not look at everybody then.
func (t *shared) Updated() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updated
}

// TellChanged wakes whoever waits.
func (t *shared) TellChanged() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notify()
}

// notify wakes whoever waits; t.mu is held.
func (t *shared) notify() {
	close(t.updated)
	t.updated = make(chan struct{})
	t.notifyChanged()
}

func (t *shared) notifyChanged() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// tellDenial wakes who waits for Changed.
func (t *shared) tellDenial() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notifyChanged()
}

// Learn remembers a CA whose path to an anchor has been verified, so that a new CRL of it can be judged when read.
func (t *shared) Learn(ca *x509.Certificate) {
	key := sha256.Sum256(ca.Raw)
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.cas[key]; known || len(t.cas) >= maxCAs {
		return
	}
	t.cas[key] = ca
}

func (t *shared) knowsCA(rawSubject []byte) bool { return len(t.knownCAs(rawSubject)) > 0 }

// knownCAs gives the trusted CAs of a name.
func (t *shared) knownCAs(rawSubject []byte) []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*x509.Certificate
	for _, ca := range t.cas {
		if bytes.Equal(ca.RawSubject, rawSubject) {
			list = append(list, ca)
		}
	}
	return list
}

// allCAs gives the trusted CAs.
func (t *shared) allCAs() []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.cas))
}

// maxCAs bounds what peers' chains can make us remember.
const maxCAs = 1024

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

// Vouched gives the latest time that a CA or its responder vouches for: thisUpdate of the CRLs and OCSP answers that
// were believed here. It was past, then: our own clock can keep it from rising, and cannot raise it. Zero = nobody has
// said anything.
func (t *shared) Vouched() time.Time {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	return t.vouched.at
}

// vouch takes in the time of something whose signature was verified. What lies ahead of us may be a mistake of its
// signer.
func (t *shared) vouch(at, now time.Time) {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	if ahead := at.Sub(now); ahead > clockBehind && now.Sub(t.vouched.told).Abs() >= tellBehind {
		t.vouched.told = now
		t.log.Warn("our clock is behind, or the PKI's is ahead: what it has signed begins later than now; "+
			"peers and lists are refused when it is more",
			"begins", stamp.Instant(at), "now", stamp.Instant(now), "refused_from", certutil.ClockSkew.String())
	}
	if at.After(t.vouched.at) && !at.After(now.Add(certutil.ClockSkew)) {
		t.vouched.at = at
	}
}
