package pki

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/internal/retry"
)

// Anchor is a root (or explicitly trusted CA) and what it vouches for.
type Anchor struct {
	Cert      *x509.Certificate
	Practices []string // practices it vouches for; "*" = all; empty = none
	File      string   // where it was read
}

// Roots are what the path of a peer leads to, and through.
type Roots struct {
	Anchors       []Anchor
	Intermediates []*x509.Certificate
}

// AnchorFile names the PEM file of one or more anchors and the practices they vouch for.
type AnchorFile struct {
	File      string
	Practices []string // as in Anchor
}

// TrustConfig names the files and URLs of a trust store.
type TrustConfig struct {
	Anchors       []AnchorFile     // at least one, here or in Known
	Known         []Anchor         // anchors without a file, beside those; for a device that has no file yet
	Intermediates []string         // PEM files of issuing CAs, optional (peers send theirs)
	CRLs          []string         // files (PEM or DER), or http:// / https:// URLs. CRLs and ARLs alike.
	ARL           string           // file that keeps the ARLs that status records bring, and is read at the start; "" = memory only
	State         string           // file that keeps the highest CRLNumber seen of each issuer; "" = memory only
	Denials       string           // file that keeps what Deny was told, while Run runs; "" = memory only
	Answers       string           // file that keeps OCSP answers over a restart, while Run runs; "" = memory only
	Profile       Profile          // what is demanded; zero = RGS
	NoRevocation  bool             // ask nobody whether a certificate is revoked: for people who look at a path alone; no program sets it
	Production    bool             // refuse CAs whose name begins with TEST
	Clock         func() time.Time // nil = time.Now
	Poll          time.Duration    // how often files are looked at for change; 0 = 1 s
	Fetch         time.Duration    // how often URLs are asked; sooner when a CRL ends sooner; 0 = 5 min
	FetchTimeout  time.Duration    // limit of one fetch; 0 = 10 s
	MaxCRL        int64            // bytes, of one file or URL; 0 = 128 MiB, which is a million entries as PEM and more
	HTTP          *http.Client     // for URLs; nil = one of its own, with the system's proxy settings and roots
	OCSP          OCSPConfig       // which responders are asked; zero = none
	DenyList      string           // file of serials (hexadecimal) and identities, one a line, that are refused whatever the PKI says; "" = none
	WarnAhead     time.Duration    // how long before revocation data ends unrenewed the log says so; 0 = 1/16 of its life, at most 7 days
	Log           *slog.Logger     // nil = discard

	// Stop is closed when the program is to end: from then on OpenTrust, Reload and a verification wait for nobody.
	// Nil = never.
	Stop <-chan struct{}

	// Observe is told of anchors and intermediates before they are taken, at the start too, when old is empty. An error keeps
	// the old ones, and they are tried again. Nil = nobody.
	Observe func(old, now Roots) error
}

// Trust is a trust store: anchors, intermediates and revocation data. It is safe for use by many goroutines.
type Trust struct {
	cfg           TrustConfig
	log           *slog.Logger
	roots         atomic.Pointer[roots]
	rootFiles     rootFiles
	numbers       *numbers
	sources       []*source
	links         linkCache
	deny          denyList
	answers       answers
	responders    responders
	own           ownStaples
	vouched       vouched
	received      *source      // ARLs of status records; one of sources
	statusRefused atomic.Int64 // pieces of status records refused
	snap          atomic.Pointer[snapshot]

	mu      sync.Mutex
	cas     map[[32]byte]*x509.Certificate // CAs known to be good, by digest: judge new CRLs as they are read
	changed chan struct{}                  // closed and replaced at each change
	updated chan struct{}                  // likewise, but for Deny and Allow
	warned  map[string]bool                // data whose lateness was said; owned by renew
	fresh   string                         // which CRLs were in date at the last look
}

// OpenTrust loads anchors, intermediates, deny list, what was kept over a restart, and CRLs. What of them is unreadable
// is an error that names all of it; an unreadable or missing CRL is logged and means that what needs it is refused
// (crl_missing, crl_bad …). Each source is read once, so it may take as long as FetchTimeout; when Stop is closed
// meanwhile, the error is context.Canceled.
func OpenTrust(cfg TrustConfig) (*Trust, error) {
	t := &Trust{cfg: withDefaults(cfg), cas: map[[32]byte]*x509.Certificate{}, changed: make(chan struct{}), updated: make(chan struct{}), links: newLinkCache()}
	t.log = t.cfg.Log
	t.snap.Store(&snapshot{})
	var err error
	t.numbers, err = openNumbers(cfg.State)
	if err := errors.Join(t.cfg.OCSP.check(), checkSources(cfg.CRLs), t.openRoots(), t.openDenyList(), t.openDenials(),
		t.openAnswers(), err); err != nil {
		return nil, err
	}
	for _, where := range cfg.CRLs {
		t.sources = append(t.sources, t.newSource(where))
	}
	t.received = t.newReceived()
	t.sources = append(t.sources, t.received)
	t.Reload()
	return t, t.stopped()
}

// stopped gives an error once Stop is closed.
func (t *Trust) stopped() error {
	select {
	case <-t.cfg.Stop:
		return fmt.Errorf("cannot open the trust store: %w", context.Canceled)
	default:
		return nil
	}
}

// within gives a context that ends when Stop is closed, and after a time.
func (t *Trust) within(limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, stop := t.untilStop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, func() { cancel(); stop() }
}

// untilStop gives a context that ends when Stop is closed.
func (t *Trust) untilStop() (context.Context, context.CancelFunc) {
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

func withDefaults(c TrustConfig) TrustConfig {
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Fetch = cmp.Or(c.Fetch, 5*time.Minute)
	c.FetchTimeout = cmp.Or(c.FetchTimeout, 10*time.Second)
	c.MaxCRL = cmp.Or(c.MaxCRL, 128<<20)
	c.OCSP = c.OCSP.withDefaults()
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	c.HTTP = cmp.Or(c.HTTP, &http.Client{CheckRedirect: fewRedirects})
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func (t *Trust) now() time.Time { return t.cfg.Clock() }

// Run re-reads changed files, fetches URLs and OCSP answers before they go stale, and warns of those that will; it blocks until
// ctx ends, and gives ctx's error.
func (t *Trust) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range t.sources {
		wg.Go(func() { t.follow(ctx, s) })
	}
	wg.Go(func() { t.watchDates(ctx) })
	wg.Go(func() { t.renew(ctx) })
	wg.Go(func() { t.keepDenials(ctx) })
	wg.Go(func() { t.keepAnswers(ctx) })
	wg.Wait()
	return ctx.Err()
}

// Reload looks at every file and CRL URL now, and returns when each has been read, or its FetchTimeout is over.
func (t *Trust) Reload() {
	ctx, cancel := t.untilStop()
	defer cancel()
	var wg sync.WaitGroup
	t.readRoots(true)
	t.readDenyList(true)
	for _, s := range t.sources {
		wg.Go(func() { t.refresh(ctx, s, true) })
	}
	wg.Wait()
}

// follow refreshes one source whenever it is due.
func (t *Trust) follow(ctx context.Context, s *source) {
	for retry.Sleep(ctx, s.wait(t.now())) {
		t.refresh(ctx, s, false)
	}
}

// watchDates looks at anchors, intermediates and deny list, and tells of CRLs that go stale, or come into force, by time alone.
func (t *Trust) watchDates(ctx context.Context) {
	for retry.Sleep(ctx, t.cfg.Poll) {
		t.readRoots(false)
		t.readDenyList(false)
		t.mu.Lock()
		t.noticeDates(t.snap.Load())
		t.mu.Unlock()
	}
}

// Changed gives a channel that is closed at the next change of revocation data, a CRL going stale included;
// call again for the next. Take it before looking at the data, so that no change is missed.
func (t *Trust) Changed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// Updated is Changed but for what Deny and Allow say: who watches Denials as well need not look at everybody then.
func (t *Trust) Updated() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.updated
}

// publish makes what the sources hold the present snapshot.
func (t *Trust) publish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	next := &snapshot{}
	for _, s := range t.sources {
		crls, broken := s.holds()
		next.crls = append(next.crls, crls...)
		if broken != nil && len(crls) == 0 {
			next.broken = append(next.broken, broken)
		}
	}
	last := t.snap.Swap(next)
	if !slices.Equal(last.crls, next.crls) || len(last.broken) != len(next.broken) {
		t.fresh = t.dates(next)
		t.notify()
	}
}

// noticeDates compares which CRLs are in date with the last look; t.mu is held.
func (t *Trust) noticeDates(snap *snapshot) {
	if fresh := t.dates(snap); fresh != t.fresh {
		t.fresh = fresh
		t.notify()
	}
}

func (t *Trust) dates(snap *snapshot) string {
	now := t.now()
	state := make([]byte, len(snap.crls))
	for i, c := range snap.crls {
		state[i] = '+'
		if c.checkFuture(now) != nil || c.checkStale(now) != nil {
			state[i] = '-'
		}
	}
	return string(state)
}

// tellChanged wakes whoever waits.
func (t *Trust) tellChanged() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notify()
}

// notify wakes whoever waits; t.mu is held.
func (t *Trust) notify() {
	close(t.updated)
	t.updated = make(chan struct{})
	t.notifyChanged()
}

func (t *Trust) notifyChanged() {
	close(t.changed)
	t.changed = make(chan struct{})
}
