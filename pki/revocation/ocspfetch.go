package revocation

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/internal/address"
	"tlagate/internal/der"
	"tlagate/internal/files"
	"tlagate/internal/retry"
	"tlagate/pki"
	"tlagate/pki/internal/describe"
)

// OCSPConfig says which responders may be asked. With the zero value none is: what peers staple and what status records
// bring is used all the same.
type OCSPConfig struct {
	Responders []string // http:// or https:// URLs, asked in this order
	FromAIA    bool     // then ask those that the certificate itself names
	// send a nonce, and refuse an answer without it; false = accept answers that were made beforehand (RFC 5019)
	Nonce   bool
	SHA1    bool          // name certificates by SHA-1, for responders that know nothing else; false = by SHA-256
	Timeout time.Duration // for asking about one certificate, all responders together; 0 = 3 s
	// how often the answer of a certificate in use is renewed, sooner when it ends sooner; 0 = 5 min
	Refresh time.Duration
}

func (c OCSPConfig) withDefaults() OCSPConfig {
	c.Timeout = cmp.Or(c.Timeout, 3*time.Second)
	c.Refresh = cmp.Or(c.Refresh, 5*time.Minute)
	return c
}

func (c OCSPConfig) check() error {
	var errs []error
	for _, r := range c.Responders {
		if _, err := address.Fetched(r); err != nil {
			errs = append(errs, fmt.Errorf("cannot ask OCSP responder %q: %w", address.Shown(r), err))
		}
	}
	return errors.Join(errs...)
}

func (c OCSPConfig) hash() crypto.Hash {
	if c.SHA1 {
		return crypto.SHA1
	}
	return crypto.SHA256
}

func httpURL(s string) bool {
	_, err := address.Fetched(s)
	return err == nil
}

const (
	maxAIA   = 3               // responders that a certificate may name
	fetchers = 8               // answers renewed at once
	foreign  = 5 * time.Minute // how long a responder is not asked again about a CA that it does not answer for
	backoff  = time.Minute     // longest pause after failures
)

// respondersOf returns the URLs of the responders to ask about a certificate.
func (t *ocspClient) respondersOf(cert *x509.Certificate) []string {
	urls := t.cfg.OCSP.Responders
	if !t.cfg.OCSP.FromAIA {
		return urls
	}
	urls = slices.Clone(urls)
	for _, u := range cert.OCSPServer[:min(len(cert.OCSPServer), maxAIA)] {
		if httpURL(u) && !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// fromResponders asks now, if it may, and returns the result of the last attempt.
func (t *ocspClient) fromResponders(q Question) (*answer, string, *pki.Refusal) {
	if len(t.respondersOf(q.Cert)) == 0 {
		return nil, "", nil
	}
	if q.Online {
		ctx, cancel := t.within(t.cfg.OCSP.Timeout)
		defer cancel()
		t.fetch(ctx, q.about(), q.Now)
	}
	a, refusal := t.answers.outcome(q.about())
	if refusal != nil {
		return nil, "", refusal
	}
	if a == nil {
		return nil, "", &pki.Refusal{Reason: pki.OCSPMissing, Detail: "no OCSP answer is at hand yet"}
	}
	return t.current(a, pki.SourceOCSP, q)
}

// outcome returns the answer at hand, or why the last attempt brought none.
func (s *answers) outcome(who about) (*answer, *pki.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[who.key()]
	if r == nil {
		return nil, nil
	}
	return r.answer, r.refusal
}

// fetch fetches an answer, unless that is under way already (then it waits for it), or the last attempt failed a moment
// ago.
func (t *ocspClient) fetch(ctx context.Context, who about, now time.Time) {
	urls, wait, mine := t.answers.begin(who, now)
	if !mine {
		if wait != nil {
			select {
			case <-wait:
			case <-ctx.Done():
			}
		}
		return
	}
	a, refusal := t.askAll(ctx, urls, who)
	if refusal == nil {
		t.remember(who, a, t.now())
	}
	t.answers.end(who, refusal, t.now())
}

// begin returns the responders to ask. mine is false when the caller has only to wait for wait, if that is not nil.
func (s *answers) begin(who about, now time.Time) (urls []string, wait <-chan struct{}, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[who.key()]
	switch {
	case r == nil:
		return nil, nil, false
	case r.fetching != nil:
		return nil, r.fetching, false
	case r.failures > 0 && now.Before(r.next):
		return nil, nil, false
	}
	r.fetching = make(chan struct{})
	return r.urls, nil, true
}

func (s *answers) end(who about, refusal *pki.Refusal, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.records[who.key()]
	if r == nil {
		return
	}
	close(r.fetching)
	r.fetching = nil
	if r.refusal = refusal; refusal == nil {
		r.failures = 0
		return
	}
	r.failures++
	r.next = now.Add(withJitter(retry.Doubled(time.Second, backoff, r.failures)))
}

// askAll asks the responders in order until one answers. If none does, it returns the refusal that says most.
func (t *ocspClient) askAll(ctx context.Context, urls []string, who about) (*answer, *pki.Refusal) {
	var last *pki.Refusal
	for i, u := range urls {
		a, refusal := t.ask(ctx, u, len(urls)-i, who)
		if refusal == nil {
			return a, nil
		}
		if last = cmp.Or(last, refusal); last.Reason == pki.OCSPMissing || last.Reason == pki.OCSPError {
			last = refusal // a lie says more than silence
		}
	}
	return nil, last
}

// ask asks one responder, with its share of the time that is left.
func (t *ocspClient) ask(ctx context.Context, where string, left int, who about) (*answer, *pki.Refusal) {
	from := origin{pki.SourceOCSP, where}
	if refusal := t.responders.mayAsk(where, who.issuer, t.now()); refusal != nil {
		return nil, refusal
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		defer cancel()
	}
	a, refusal := t.askNow(ctx, from, who)
	t.noteAsked(where, refusal)
	return a, refusal
}

func (t *ocspClient) askNow(ctx context.Context, from origin, who about) (*answer, *pki.Refusal) {
	where, nonce := from.where, t.newNonce()
	data, err := t.post(ctx, where, ocspRequest(newCertID(t.cfg.OCSP.hash(), who.issuer, who.serial), nonce),
		nonce != nil)
	if errors.Is(err, files.ErrTooLarge) {
		return nil, from.refuse(pki.OCSPBad, "%v", err)
	}
	if err != nil {
		refusal := from.refuse(pki.OCSPMissing, "the responder cannot be reached: %s", describe.Cut(err.Error(), 200))
		t.responders.failed(where, refusal, t.now())
		return nil, refusal
	}
	t.responders.answered(where)
	return t.judgeFetched(data, from, who, nonce)
}

func (t *ocspClient) judgeFetched(data []byte, from origin, who about, nonce []byte) (*answer, *pki.Refusal) {
	now := t.now()
	read, err := parseAnswer(data)
	if err != nil {
		refusal := from.refuse(answerReason(err), "%v", err)
		refusal.Cause = err
		if errors.Is(err, responderUnauthorized) {
			t.responders.foreign(from.where, who.issuer, refusal, now)
		}
		return nil, refusal
	}
	a, refusal := t.believe(read, from, who, nonce, now)
	if refusal == nil {
		refusal = t.checkDates(a, who.issuer, now)
	}
	return a, refusal
}

func answerReason(err error) pki.Reason {
	if errors.As(err, new(errResponder)) {
		return pki.OCSPError
	}
	return pki.OCSPBad
}

func (t *ocspClient) newNonce() []byte {
	if !t.cfg.OCSP.Nonce {
		return nil
	}
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce) // never fails (crypto/rand)
	return nonce
}

// ocspRequest encodes a request about one certificate (RFC 6960 section 4.1.1).
func ocspRequest(id certID, nonce []byte) []byte {
	seq := func(f func(b *cryptobyte.Builder)) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, f) }
	}
	certificate := seq(func(b *cryptobyte.Builder) {
		seq(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(der.HashOID(id.hash)); b.AddASN1NULL() })(b)
		b.AddASN1OctetString(id.name)
		b.AddASN1OctetString(id.key)
		b.AddASN1BigInt(new(big.Int).SetBytes(id.serial))
	})
	var b cryptobyte.Builder
	seq(seq(func(b *cryptobyte.Builder) {
		seq(seq(certificate))(b)
		if nonce != nil {
			b.AddASN1(der.Context2, seq(func(b *cryptobyte.Builder) { addNonce(b, nonce) }))
		}
	}))(&b)
	return b.BytesOrPanic()
}

func addNonce(b *cryptobyte.Builder, nonce []byte) {
	der.AddExtension(b, der.OCSPNonce, func(b *cryptobyte.Builder) { b.AddASN1OctetString(nonce) })
}

// responders remembers which responders are of no use just now, so that no verification waits for them.
type responders struct {
	mu      sync.Mutex // protects the rest
	state   map[string]*responder
	tallies map[string]*tally // by URL for the responders in the configuration; namedByCertificates for all others
}

type responder struct {
	failures int
	until    time.Time
	refusal  *pki.Refusal
}

// maxResponders bounds what certificates that name responders can make us remember.
const maxResponders = 1000

func foreignKey(where string, issuer *x509.Certificate) string {
	return where + " " + string(issuer.SubjectKeyId) + string(issuer.RawSubject)
}

// mayAsk returns why the last attempt failed while it is too soon for another, and nil otherwise.
func (s *responders) mayAsk(where string, issuer *x509.Certificate, now time.Time) *pki.Refusal {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{where, foreignKey(where, issuer)} {
		if r := s.state[key]; r != nil && now.Before(r.until) {
			return r.refusal
		}
	}
	return nil
}

func (s *responders) failed(where string, refusal *pki.Refusal, now time.Time) {
	r := s.get(where)
	defer s.mu.Unlock()
	r.failures++
	r.refusal, r.until = refusal, now.Add(withJitter(retry.Doubled(time.Second, backoff, r.failures)))
}

func (s *responders) foreign(where string, issuer *x509.Certificate, refusal *pki.Refusal, now time.Time) {
	r := s.get(foreignKey(where, issuer))
	defer s.mu.Unlock()
	r.refusal, r.until = refusal, now.Add(foreign)
}

func (s *responders) answered(where string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.state, where)
}

// get returns a responder's state, and leaves s.mu locked.
func (s *responders) get(key string) *responder {
	s.mu.Lock()
	if s.state == nil || len(s.state) >= maxResponders {
		s.state = map[string]*responder{}
	}
	if s.state[key] == nil {
		s.state[key] = &responder{}
	}
	return s.state[key]
}

// due returns the certificates whose answer is to be asked for now.
func (s *answers) due(now time.Time, refresh time.Duration) []about {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []about
	for _, r := range s.records {
		final := r.answer != nil && r.answer.final()
		if r.inUse(now, refresh) && r.fetching == nil && !final && !now.Before(r.next) {
			list = append(list, r.who)
		}
	}
	s.sweep(now)
	return list
}
