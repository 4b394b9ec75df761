package ocsp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tlagate/audit"
	"tlagate/internal/pulse"
	"tlagate/internal/stamp"
)

// Config says about whose certificates a responder answers, and with what.
type Config struct {
	Issuer      *x509.Certificate // the CA about whose certificates it answers
	Certificate *tls.Certificate  // the delegated certificate (leaf first) with its key
	Database    string            // the CA's database, ca.db

	Path        string           // of the URL; "" = /ocsp. Requests to / are answered too
	Validity    time.Duration    // from thisUpdate to nextUpdate; 0 = 1 h, at least 1 min
	Poll        time.Duration    // how often the books are looked at; 0 = 250 ms
	Patience    time.Duration    // how long answers go on when the books cannot be looked at; 0 = 30 s
	MaxIDs      int              // certificates in one request; 0 = 16
	CacheSize   int              // signed answers kept, about 2 KB each; 0 = 16384
	Connections int              // at once; 0 = 4096
	Drain       time.Duration    // for requests under way when stopped; 0 = 5 s
	Clock       func() time.Time // nil = time.Now
	Log         *slog.Logger     // nil = discard
	Trace       *audit.Log       // nil = nothing is recorded
	Count       time.Duration    // between two counts of answers in the trace; 0 = 1 h
}

func (c Config) withDefaults() Config {
	c.Path = or(c.Path, "/ocsp")
	c.Validity = or(c.Validity, time.Hour)
	c.Poll = or(c.Poll, 250*time.Millisecond)
	c.Patience = or(c.Patience, 30*time.Second)
	c.MaxIDs = or(c.MaxIDs, 16)
	c.CacheSize = or(c.CacheSize, 16384)
	c.Connections = or(c.Connections, 4096)
	c.Drain = or(c.Drain, 5*time.Second)
	c.Count = or(c.Count, time.Hour)
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (c Config) check() error { return errors.Join(append(c.faults(), c.checkIssuer())...) }

func (c Config) checkIssuer() error {
	if c.Issuer == nil || !c.Issuer.IsCA || len(c.Issuer.SubjectKeyId) == 0 {
		return errors.New("cannot answer: the issuer is no CA certificate with a subject key identifier")
	}
	return nil
}

// faults returns all that is wrong with times, limits and path.
func (c Config) faults() (list []error) {
	refuse := func(wrong bool, format string, args ...any) {
		if wrong {
			list = append(list, fmt.Errorf(format, args...))
		}
	}
	refuse(c.Validity < time.Minute || c.Validity > maxValidity,
		"cannot answer with a validity of %s: want 1 min to %s", c.Validity, maxValidity)
	refuse(c.Poll < time.Millisecond || c.Poll > time.Second,
		"cannot look at the books every %s: want at most 1 s, so that a revocation shows within a second", c.Poll)
	refuse(c.Patience < c.Poll || c.Drain < 0, "cannot answer with a patience of %s and a drain of %s: too short",
		c.Patience, c.Drain)
	refuse(c.MaxIDs < 1 || c.CacheSize < 1 || c.Connections < 1, "cannot answer: a limit is below 1")
	refuse(c.Path[0] != '/', "cannot answer at path %q: it does not begin with /", c.Path)
	return list
}

// maxValidity is the longest validity: an answer should not outlast a CRL by much.
const maxValidity = 48 * time.Hour

// Responder answers OCSP requests. It is safe for concurrent use. It is a prometheus.Collector: register it to export
// its metrics.
type Responder struct {
	cfg    Config
	log    *slog.Logger
	issuer *issuer
	books  *books
	cache  *cache
	counts counts

	signer     atomic.Pointer[signer]
	generation atomic.Uint64             // of the books: rises whenever they may have changed
	seen       atomic.Pointer[time.Time] // when the books were looked at last
	barred     atomic.Pointer[error]     // why nothing is signed although all can be read; nil = no reason

	looks   *pulse.Loop   // run
	serving chan struct{} // closed by Serve
	stopped atomic.Bool   // Serve was told to stop

	looking sync.Mutex // one look at a time; protects failing
	failing bool       // the last look failed, and was logged
}

// Open checks the certificate and looks at the books. Close must be called, or Serve.
func Open(cfg Config) (*Responder, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Responder{cfg: cfg, log: cfg.Log, books: newBooks(cfg.Database, cfg.Issuer), cache: newCache(cfg.CacheSize),
		looks: pulse.New(), serving: make(chan struct{})}
	var err error
	if r.issuer, err = newIssuer(cfg.Issuer); err != nil {
		return nil, err
	}
	if err := r.SetCertificate(cfg.Certificate); err != nil {
		return nil, err
	}
	if err := r.look(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// SetCertificate signs with another delegated certificate from now on, and forgets what the old one signed. On an error
// the old one stays.
func (r *Responder) SetCertificate(pair *tls.Certificate) error {
	s, err := newSigner(r.cfg.Issuer, pair, r.cfg.Clock())
	if err != nil {
		return err
	}
	if err := s.checkDates(r.cfg.Clock()); err != nil {
		return fmt.Errorf("cannot sign answers: %w", err)
	}
	r.signer.Store(s)
	r.warnOfEnd(s)
	return nil
}

// endNear is how long before the end of the delegated certificate there is a warning.
const endNear = 14 * 24 * time.Hour

func (r *Responder) warnOfEnd(s *signer) {
	if left := s.cert.NotAfter.Sub(r.cfg.Clock()); left < endNear {
		r.log.Warn("the delegated certificate ends soon: issue a new one with profile ocsp",
			"until", stamp.Second(s.cert.NotAfter))
	}
}

// run looks at the books until ctx ends.
func (r *Responder) run(ctx context.Context) {
	defer r.looks.End()
	tick := time.NewTicker(r.cfg.Poll)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.looks.Asked():
		case <-ctx.Done():
			return
		}
		_ = r.look() // which has logged it
	}
}

// look looks at the books now. When that fails, answers go on for Patience, then all are tryLater.
func (r *Responder) look() error {
	r.looking.Lock()
	defer r.looking.Unlock()
	began := r.cfg.Clock()
	changed, other, err := r.books.look()
	if changed {
		r.generation.Add(1)
	}
	if other {
		r.source("this file is opened as the books")
	}
	if err == nil {
		err = r.lookAtOurselves()
	}
	if err == nil {
		r.seen.Store(&began)
	}
	r.tell(err)
	return err
}

// tell logs and records the first failure and the end of failing.
func (r *Responder) tell(err error) {
	if failing := err != nil; failing != r.failing {
		r.failing = failing
		if failing {
			r.log.Error("the books cannot be read", "error", err, "try_later_after", r.cfg.Patience)
			r.source("the books cannot be read")
		} else {
			r.log.Info("the books can be read again")
			r.source("the books can be read again")
		}
	}
}

// lookAtOurselves stops the answers when the delegated certificate is revoked: having nocheck, it is checked by nobody
// else.
func (r *Responder) lookAtOurselves() error {
	s := r.signer.Load()
	own, err := r.books.lookup(s.cert.SerialNumber)
	if err != nil {
		return err
	}
	r.bar(s.mayStay(own))
	return nil
}

// mayStay returns why a certificate of that status may no longer sign.
func (s *signer) mayStay(own status) error {
	if own.kind == good {
		return nil
	}
	return fmt.Errorf("the delegated certificate %x is revoked, or not in the books: issue a new one with profile ocsp",
		s.cert.SerialNumber)
}

// bar stops all answers, or lets them go on when why is nil.
func (r *Responder) bar(why error) {
	var now *error
	if why != nil {
		now = &why
	}
	switch before := r.barred.Swap(now); {
	case why != nil && before == nil:
		r.log.Error("nothing is answered any more", "error", why)
		r.source("nothing is answered any more: the delegated certificate may not sign")
	case why == nil && before != nil:
		r.source("answers are signed again")
	}
}

// Alive returns once the responder serves and has come round to the books. It hangs as long as a look at them does.
func (r *Responder) Alive() {
	<-r.serving
	r.looks.Wait()
}

// Unready returns why requests had better go to another responder, one line each; nil when there is no reason.
func (r *Responder) Unready() (why []string) {
	select {
	case <-r.serving:
	default:
		why = append(why, "it does not serve yet")
	}
	if r.stopped.Load() {
		why = append(why, "it is stopping")
	}
	if err := r.ready(r.cfg.Clock()); err != nil {
		why = append(why, err.Error())
	}
	return why
}

// ready returns why nothing can be signed now; nil when it can.
func (r *Responder) ready(now time.Time) error {
	if why := r.barred.Load(); why != nil {
		return *why
	}
	if age := now.Sub(*r.seen.Load()); age > r.cfg.Patience {
		return fmt.Errorf("the books have not been readable for %s", age.Round(time.Second))
	}
	return r.signer.Load().checkDates(now)
}

// Close closes the books.
func (r *Responder) Close() { r.books.shut() }
