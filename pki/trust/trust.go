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
	"tlagate/pki/internal/certutil"
	"tlagate/pki/internal/describe"
	"tlagate/pki/revocation"
)

// Anchor is a root (or explicitly trusted CA) and what it vouches for.
type Anchor struct {
	Cert      *x509.Certificate
	Practices []string // that it vouches for; "*" = all; empty = none
	File      string   // where it was read
}

// selfSigned reports whether the anchor is a root by its names and key identifiers. Another one is a CA that its own
// issuer can revoke, and as an anchor nobody asks about it.
func (a Anchor) selfSigned() bool {
	return certutil.SelfIssued(a.Cert) && certutil.KeyIDsFit(a.Cert.AuthorityKeyId, a.Cert.SubjectKeyId)
}

// Unrevocable warns of an anchor that is not self-signed; "" = it is.
func (a Anchor) Unrevocable() string {
	if a.selfSigned() {
		return ""
	}
	return fmt.Sprintf("the anchor %s is not self-signed, and as an anchor nothing can revoke it",
		describe.Name(a.Cert.Subject.CommonName))
}

// Roots are what the path of a peer may lead to, and through.
type Roots struct {
	Anchors       []Anchor
	Intermediates []*x509.Certificate
}

// AnchorFile is the PEM file of one or more anchors, and the practices that they vouch for.
type AnchorFile struct {
	File      string
	Practices []string // as in Anchor
}

// Revocation is the part of a Config that is about revocation.
type Revocation = revocation.Config

// Config names the files and URLs of a trust store.
type Config struct {
	Anchors       []AnchorFile        // at least one, here or in Known
	Known         []Anchor            // anchors without a file, beside those; for a device that has no file yet
	Intermediates []string            // PEM files of issuing CAs, optional (peers send theirs)
	KnownCAs      []*x509.Certificate // issuing CAs without a file, beside those
	Profile       Profile             // what is demanded; zero = RGS
	Persons       PersonRules         // of the profile Persons: how certificates name persons
	Production    bool                // refuse CAs whose name begins with TEST
	Crypto        pki.Crypto          // what links take; zero = everything on the list
	Clock         func() time.Time    // nil = time.Now
	Poll          time.Duration       // how often files are examined for changes; 0 = 1 s
	Log           *slog.Logger        // nil = discard

	// Revocation says where revocation data comes from. Open sets RFC5280, Persons, Clock, Poll, Log, Stop, Anchors and
	// Issuers.
	Revocation

	// NoRevocation leaves out revocation: for people who examine only a path, and for servers of the profile Foreign
	// whose PKI's lists nobody has named. No long-running program sets it for the links of sessions.
	NoRevocation bool

	// Stop is closed when the program is to end: from then on Open, Reload and verifications do not wait.
	// nil = never.
	Stop <-chan struct{}

	// Observe is called with anchors and intermediates before they come into force, also at the start, when old is
	// empty. On an error the old ones stay, and the new ones are tried again. nil = not called.
	Observe func(old, now Roots) error
}

// Trust is a trust store: anchors, intermediates and, in its Store, revocation data. It is safe for concurrent use.
type Trust struct {
	*revocation.Store
	cfg       Config
	log       *slog.Logger
	persons   *personMap // of the profile Persons
	roots     atomic.Pointer[roots]
	rootFiles rootFiles
	links     linkCache
	shared    sharedCAs
}

// Open loads anchors, intermediates, deny list, what was kept across a restart, and CRLs. The error names everything
// that is unreadable, except CRLs: one that is unreadable or missing is logged, and what needs it will be refused
// (crl_missing, crl_bad …). Each source is read once, so Open may take as long as FetchTimeout; when Stop is closed
// meanwhile, the error is context.Canceled.
func Open(cfg Config) (*Trust, error) {
	t := &Trust{cfg: withDefaults(cfg), links: newLinkCache()}
	t.log = t.cfg.Log
	_, cryptoErr := pki.ParseCrypto(string(cfg.Crypto))
	personsErr := t.openPersons()
	err := t.openRoots()
	store, storeErr := revocation.New(t.storeConfig())
	if err := errors.Join(cryptoErr, personsErr, err, storeErr); err != nil {
		return nil, err
	}
	t.Store = store
	t.learnRoots()
	t.Store.Reload()
	return t, t.stopped()
}

// storeConfig returns the configuration of the Store, which sees the CAs that are configured here.
func (t *Trust) storeConfig() revocation.Config {
	c := t.cfg.Revocation
	c.RFC5280, c.Persons, c.Crypto = t.cfg.Profile == RFC5280, t.cfg.Profile == Persons, t.cfg.Crypto
	c.Clock, c.Poll, c.Log, c.Stop = t.cfg.Clock, t.cfg.Poll, t.cfg.Log, t.cfg.Stop
	c.Anchors = func() []*x509.Certificate { return certsOf(t.roots.Load().anchors) }
	c.Issuers = func(*x509.Certificate) []*x509.Certificate { return t.roots.Load().intermediates }
	return c
}

// stopped returns an error once Stop is closed.
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

// Run reads changed files again, fetches URLs and OCSP answers before they go stale, and warns of those that will. It
// blocks until ctx ends, and returns ctx's error.
func (t *Trust) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { t.watchRoots(ctx) })
	wg.Go(func() { _ = t.Store.Run(ctx) })
	wg.Wait()
	return ctx.Err()
}

// watchRoots reads anchors and intermediates again whenever they change.
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

// Reload reads every file and CRL URL now, and returns when each has been read, or its FetchTimeout is over.
func (t *Trust) Reload() {
	t.readRoots(true)
	t.Store.Reload()
}
