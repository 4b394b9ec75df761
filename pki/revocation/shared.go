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
	cas     map[[32]byte]*x509.Certificate // CAs known to be good, by digest: new CRLs are judged by them when read
	changed chan struct{}                  // closed and replaced at each change
	updated chan struct{}                  // likewise, except for Deny and Allow
}

func newShared(cfg Config) *shared {
	return &shared{cfg: cfg, log: cfg.Log, cas: map[[32]byte]*x509.Certificate{},
		changed: make(chan struct{}), updated: make(chan struct{})}
}

func (t *shared) now() time.Time { return t.cfg.Clock() }

// within returns a context that ends when Stop is closed, and after a time.
func (t *shared) within(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := t.untilStop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, func() { cancel(); stop() }
}

// untilStop returns a context that ends when Stop is closed.
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

// Changed returns a channel that is closed at the next change of revocation data, which includes a CRL that goes stale;
// call it again for the one after. Call it before reading the data, so that no change is missed.
func (t *shared) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Updated is Changed without the changes by Deny and Allow: a caller that watches Denials as well need not recheck
// every peer for those.
func (t *shared) Updated() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updated
}

// TellChanged announces a change of revocation data.
func (t *shared) TellChanged() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notify()
}

// notify closes the channels of Changed and Updated; t.mu is locked.
func (t *shared) notify() {
	close(t.updated)
	t.updated = make(chan struct{})
	t.notifyChanged()
}

func (t *shared) notifyChanged() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// tellDenial closes the channel of Changed alone.
func (t *shared) tellDenial() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notifyChanged()
}

// Learn remembers a CA whose path to an anchor has been verified, so that a new CRL of it can be judged when it is
// read.
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

// knownCAs returns the trusted CAs of a name.
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

// allCAs returns the trusted CAs.
func (t *shared) allCAs() []*x509.Certificate {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Values(t.cas))
}

// maxCAs bounds what peers' chains can make us remember.
const maxCAs = 1024

// vouched is the latest time that others have vouched for.
type vouched struct {
	mu     sync.Mutex
	at     time.Time
	warned time.Time // when the log last warned of a clock that is behind
}

const (
	clockBehind = 30 * time.Second // how far a signer may be ahead of us before the log warns
	warnBehind  = time.Hour        // between two such warnings
)

// Vouched returns the latest time that a CA or its responder vouches for: thisUpdate of the CRLs and OCSP answers that
// were believed here. That moment is certainly past: our own clock can prevent it from rising, but cannot raise it.
// Zero = no CRL or answer was believed yet.
func (t *shared) Vouched() time.Time {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	return t.vouched.at
}

// vouch records the time of something whose signature was verified. A time far ahead of ours is not recorded: it may be
// its signer's mistake.
func (t *shared) vouch(at, now time.Time) {
	t.vouched.mu.Lock()
	defer t.vouched.mu.Unlock()
	if ahead := at.Sub(now); ahead > clockBehind && now.Sub(t.vouched.warned).Abs() >= warnBehind {
		t.vouched.warned = now
		t.log.Warn("our clock is behind, or the PKI's is ahead: what it has signed begins later than now; "+
			"if the difference grows, peers and lists are refused",
			"begins", stamp.Instant(at), "now", stamp.Instant(now), "refused_from", certutil.ClockSkew.String())
	}
	if at.After(t.vouched.at) && !at.After(now.Add(certutil.ClockSkew)) {
		t.vouched.at = at
	}
}
