package trust

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/pki"
	"tlagate/pki/revocation"
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

// Revocation is the part of a Config that is about revocation.
type Revocation = revocation.Config

// Config names the files and URLs of a trust store.
type Config struct {
	Anchors       []AnchorFile     // at least one, here or in Known
	Known         []Anchor         // anchors without a file, beside those; for a device that has no file yet
	Intermediates []string         // PEM files of issuing CAs, optional (peers send theirs)
	Profile       Profile          // what is demanded; zero = RGS
	Production    bool             // refuse CAs whose name begins with TEST
	Crypto        pki.Crypto       // what links take; zero = everything on the list
	Clock         func() time.Time // nil = time.Now
	Poll          time.Duration    // how often files are looked at for change; 0 = 1 s
	Log           *slog.Logger     // nil = discard

	// Revocation says where revocation data comes from. Open sets RFC5280, Clock, Poll, Log, Stop, Anchors and Issuers.
	Revocation

	// NoRevocation asks nobody whether a certificate is revoked: for people who look at a path alone. No program that
	// runs on sets it.
	NoRevocation bool

	// Stop is closed when the program is to end: from then on Open, Reload and a verification wait for nobody.
	// Nil = never.
	Stop <-chan struct{}

	// Observe is told of anchors and intermediates before they are taken, at the start too, when old is empty. An error
	// keeps the old ones, and they are tried again. Nil = nobody.
	Observe func(old, now Roots) error
}

// Trust is a trust store: anchors, intermediates and, in its Store, revocation data. It is safe for use by many
// goroutines.
type Trust struct {
	*revocation.Store
	cfg       Config
	log       *slog.Logger
	roots     atomic.Pointer[roots]
	rootFiles rootFiles
	links     linkCache
}

// Open loads anchors, intermediates, deny list, what was kept over a restart, and CRLs. What of them is unreadable
// is an error that names all of it; an unreadable or missing CRL is logged and means that what needs it is refused
// (crl_missing, crl_bad …). Each source is read once, so it may take as long as FetchTimeout; when Stop is closed
// meanwhile, the error is context.Canceled.
func Open(cfg Config) (*Trust, error) {
	t := &Trust{cfg: withDefaults(cfg), links: newLinkCache()}
	t.log = t.cfg.Log
	_, cryptoErr := pki.ParseCrypto(string(cfg.Crypto))
	err := t.openRoots()
	store, storeErr := revocation.New(t.storeConfig())
	if err := errors.Join(cryptoErr, err, storeErr); err != nil {
		return nil, err
	}
	t.Store = store
	t.learnRoots()
	t.Store.Reload()
	return t, t.stopped()
}

// storeConfig lets the Store see the CAs that are configured.
func (t *Trust) storeConfig() revocation.Config {
	c := t.cfg.Revocation
	c.RFC5280 = t.cfg.Profile == RFC5280
	c.Clock, c.Poll, c.Log, c.Stop = t.cfg.Clock, t.cfg.Poll, t.cfg.Log, t.cfg.Stop
	c.Anchors = func() []*x509.Certificate { return certsOf(t.roots.Load().anchors) }
	c.Issuers = func(*x509.Certificate) []*x509.Certificate { return t.roots.Load().intermediates }
	return c
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

func withDefaults(c Config) Config {
	c.Poll = cmp.Or(c.Poll, time.Second)
	c.Log = cmp.Or(c.Log, slog.New(slog.DiscardHandler))
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

func (t *Trust) now() time.Time { return t.cfg.Clock() }

// Run re-reads changed files, fetches URLs and OCSP answers before they go stale, and warns of those that will; it
// blocks until ctx ends, and gives ctx's error.
func (t *Trust) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { t.watchRoots(ctx) })
	wg.Go(func() { _ = t.Store.Run(ctx) })
	wg.Wait()
	return ctx.Err()
}

// watchRoots looks at anchors and intermediates.
func (t *Trust) watchRoots(ctx context.Context) {
	look := time.NewTicker(t.cfg.Poll)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			t.readRoots(false)
		}
	}
}

// Reload looks at every file and CRL URL now, and returns when each has been read, or its FetchTimeout is over.
func (t *Trust) Reload() {
	t.readRoots(true)
	t.Store.Reload()
}
