package revocation

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"tlagate/internal/address"
	"tlagate/internal/files"
	"tlagate/internal/retry"
	"tlagate/internal/stamp"
	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/describe"
)

// source is one file or URL from which CRLs come.
type source struct {
	where  string // as address.Shown returns it
	reader reader
	failed chan struct{} // capacity 1: a read failed, maybe not one of follow's

	refreshing sync.Mutex        // one refresh at a time; protects the reader's fields and sum
	sum        [sha256.Size]byte // of what was read last; zero after a failure

	mu       sync.Mutex // protects the rest
	crls     []*crl.List
	err      *pki.Refusal // of the last read
	failures int          // in a row
	bad      bool         // not everything that was read last was accepted
	tally    tally
}

// reader reads the bytes of a source.
type reader interface {
	// read returns nil when it knows without reading that nothing has changed; see asking.
	read(ctx context.Context, how asking) ([]byte, error)
	// next returns how long to wait before reading again, by the ends of the CRLs at hand and the failures in a row.
	next(now time.Time, crls []*crl.List, failures int) time.Duration
}

// asking is how a source is read.
type asking struct {
	force bool // even if it has not changed
	doubt bool // the CRLs at hand are bad or end soon: the source's word that nothing has changed is not enough
}

// checkSources returns an error that names the URLs that can never be fetched.
func checkSources(list []string) error {
	var errs []error
	for _, where := range list {
		if !address.IsURL(where) {
			continue
		}
		if _, err := address.Fetched(where); err != nil {
			errs = append(errs, fmt.Errorf("cannot fetch the CRL %q: %w", address.Shown(where), err))
		}
	}
	return errors.Join(errs...)
}

// newSource returns the source of a file or a URL, which logs and metrics call shown.
func (t *crlStore) newSource(where, shown string) *source {
	if address.IsURL(where) {
		return &source{where: shown, reader: &urlReader{url: where, cfg: t.cfg}, failed: make(chan struct{}, 1)}
	}
	return &source{where: shown, reader: &fileReader{file: where, cfg: t.cfg}, failed: make(chan struct{}, 1)}
}

// lists returns the source's lists, and why its last read failed, if it did.
func (s *source) lists() ([]*crl.List, *pki.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.crls, s.err
}

// doubtful reports whether the source's lists cannot be relied on, or not much longer.
func (s *source) doubtful(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bad || len(s.crls) == 0 || slices.ContainsFunc(s.crls,
		func(c *crl.List) bool { return now.After(c.Due()) })
}

func (s *source) wait(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reader.next(now, s.crls, s.failures)
}

// refresh reads a source and publishes its lists. Lists that are worse than those before are refused.
func (t *crlStore) refresh(ctx context.Context, s *source, force bool) {
	s.refreshing.Lock()
	defer s.refreshing.Unlock()
	limited, cancel := context.WithTimeout(ctx, t.cfg.FetchTimeout)
	defer cancel()
	data, err := s.reader.read(limited, asking{force: force, doubt: s.doubtful(t.now())})
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.sum = [sha256.Size]byte{}
		t.fail(s, readRefusal(s.where, err))
		return
	case data == nil || sha256.Sum256(data) == s.sum:
		s.recover(t.now())
		return
	}
	s.sum = sha256.Sum256(data)
	lists, err := crl.Parse(limited, s.where, data)
	switch {
	case err != nil && ctx.Err() != nil:
		s.sum = [sha256.Size]byte{}
	case err != nil && limited.Err() != nil:
		s.sum = [sha256.Size]byte{} // the next attempt may have more time
		t.fail(s, readRefusal(s.where, fmt.Errorf("it could not be read whole within %v", t.cfg.FetchTimeout)))
	case err != nil:
		s.spoil()
		t.fail(s, &pki.Refusal{Reason: pki.CRLBad, Subject: "CRL " + s.where, Detail: err.Error(), Cause: err})
	default:
		t.take(s, lists)
	}
}

// recover forgets failures to reach a source whose content is as before; content that was bad stays bad.
func (s *source) recover(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = 0
	if !s.bad {
		s.tally.succeed(now)
	}
}

// spoil notes that the content of a source is no list: to read the same again is no success.
func (s *source) spoil() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bad = true
}

// take merges new lists into those of the source.
func (t *crlStore) take(s *source, lists []*crl.List) {
	now := t.now()
	old, _ := s.lists()
	merged, refusals := t.merge(old, lists)
	t.indexSigned(merged)
	s.mu.Lock()
	s.crls, s.err, s.failures, s.bad = merged, nil, 0, len(refusals) > 0
	s.tally.note(now, !s.bad)
	s.mu.Unlock()
	for _, refusal := range refusals {
		t.log.Warn("new CRL not taken, the one before it stays", "reason", refusal.Reason, "error", refusal)
	}
	t.publish() // before the numbers are recorded: bestCRL must find the lists whose numbers are higher
	for _, c := range lists {
		if slices.Contains(merged, c) {
			t.register(c)
		}
	}
	t.forgetListed()
}

// indexSigned makes the indexes of lists that a known CA has signed, so that no verification has to. For any other
// list, the first verification that needs it makes the index, once the CA is known.
func (t *crlStore) indexSigned(lists []*crl.List) {
	for _, c := range lists {
		signed := func(ca *x509.Certificate) bool { return c.CheckIssuer(ca) == nil }
		if slices.ContainsFunc(t.knownCAs(c.Head.RawIssuer), signed) {
			c.Index()
		}
	}
}

// register judges a list that was just read, logs it, and records its number.
func (t *crlStore) register(c *crl.List) {
	if refusal := t.judgeAsRead(c); refusal != nil {
		t.log.Warn("CRL unusable", "reason", refusal.Reason, "error", refusal)
		return
	}
	t.log.Info("CRL loaded", "source", c.Source, "issuer", describe.Cut(c.Head.Issuer.CommonName, 64),
		"number", c.Number(), "entries", c.Len(), "until", stamp.Instant(c.Head.NextUpdate))
	for _, ca := range t.knownCAs(c.Head.RawIssuer) {
		if c.CheckIssuer(ca) == nil && c.CheckFuture(t.now()) == nil && t.numbers.check(ca, c) == nil {
			t.recordNumber(ca, c)
			t.vouch(c.Head.ThisUpdate, t.now())
		}
	}
}

// fail keeps the source's lists, and logs why there is nothing new, once for each cause.
func (t *crlStore) fail(s *source, refusal *pki.Refusal) {
	s.mu.Lock()
	known := s.err != nil && s.err.Error() == refusal.Error()
	s.err = refusal
	s.failures++
	s.tally.fail()
	kept := len(s.crls)
	s.mu.Unlock()
	if !known {
		t.log.Warn("cannot read CRL", "reason", refusal.Reason, "error", refusal, "kept", kept)
	}
	select {
	case s.failed <- struct{}{}:
	default:
	}
	t.publish()
}

func readRefusal(where string, err error) *pki.Refusal {
	reason := pki.CRLMissing
	if errors.Is(err, files.ErrTooLarge) {
		reason = pki.CRLBad
	}
	return &pki.Refusal{Reason: reason, Subject: "CRL " + where, Detail: describe.Cut(err.Error(), 300), Cause: err}
}

// fileReader reads a file when its time, size or inode has changed.
type fileReader struct {
	file    string
	cfg     Config
	pending chan fileRead // the read under way, for which an earlier caller may not have waited; nil = none

	info os.FileInfo // at the last read; nil = none, or it failed
	at   time.Time   // of the last read
}

type fileRead struct {
	data []byte
	err  error
}

// read waits no longer than ctx: a pipe without a writer, or a file server that is gone, never answers.
func (r *fileReader) read(ctx context.Context, how asking) ([]byte, error) {
	if r.pending == nil {
		pending := make(chan fileRead, 1)
		r.pending = pending
		go func() {
			data, err := r.look(how)
			pending <- fileRead{data, err}
		}()
	}
	select {
	case got := <-r.pending:
		r.pending = nil
		return got.data, got.err
	case <-ctx.Done():
		return nil, fmt.Errorf("it does not answer: %w", ctx.Err())
	}
}

func (r *fileReader) look(how asking) ([]byte, error) {
	last := r.info
	r.info = nil
	info, err := os.Stat(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("the file does not exist")
	}
	if err != nil {
		return nil, err
	}
	if !how.force && last != nil && r.unchanged(last, info) {
		r.info = last
		return nil, nil
	}
	r.at = time.Now()
	data, err := files.Read(r.file, r.cfg.MaxCRL)
	if err == nil {
		r.info = info
	}
	return data, err
}

func (r *fileReader) unchanged(last, info os.FileInfo) bool {
	return os.SameFile(last, info) && last.Size() == info.Size() && last.ModTime().Equal(info.ModTime()) &&
		r.at.Sub(info.ModTime()) > pki.Settled
}

func (r *fileReader) next(time.Time, []*crl.List, int) time.Duration { return r.cfg.Poll }

// urlReader fetches over HTTP, conditionally if it can.
type urlReader struct {
	url      string
	cfg      Config
	etag     string
	modified string
	doubted  time.Time // when it last fetched unconditionally because of doubt; zero = there is no doubt
}

func (r *urlReader) read(ctx context.Context, how asking) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // a little that is compressed can become as much as we take
	if r.conditional(how.doubt) {
		setIf(req.Header, "If-None-Match", r.etag)
		setIf(req.Header, "If-Modified-Since", r.modified)
	}
	resp, err := r.cfg.HTTP.Do(req)
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the URL's query may hold a secret
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified &&
		req.Header.Get("If-None-Match")+req.Header.Get("If-Modified-Since") != "" {
		return nil, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %d", resp.StatusCode)
	}
	data, err := files.ReadAll(resp.Body, resp.ContentLength, r.cfg.MaxCRL)
	if err == nil {
		r.etag, r.modified = resp.Header.Get("ETag"), resp.Header.Get("Last-Modified")
	}
	return data, err
}

// conditional reports whether the server is asked only for a change. A file that was restored from a copy is older than
// the one before it, and a server that compares times then says for ever that nothing has changed; so in doubt the
// whole file is fetched, though not more often than Fetch.
func (r *urlReader) conditional(doubt bool) bool {
	now := r.cfg.Clock()
	if !doubt {
		r.doubted = time.Time{}
		return true
	}
	if !r.doubted.IsZero() && now.Sub(r.doubted) < r.cfg.Fetch {
		return true
	}
	r.doubted = now
	return false
}

func setIf(h http.Header, key, value string) {
	if value != "" {
		h.Set(key, value)
	}
}

func fewRedirects(_ *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return errors.New("too many redirects")
	}
	return nil
}

// next returns Fetch after a success, or less if a tenth of a CRL's life is left sooner. After failures the wait grows
// from one second to Fetch. All of it is jittered, so that many components do not ask at once.
func (r *urlReader) next(now time.Time, crls []*crl.List, failures int) time.Duration {
	if failures > 0 {
		return withJitter(retry.Doubled(time.Second, r.cfg.Fetch, failures))
	}
	wait := r.cfg.Fetch
	for _, c := range crls {
		wait = min(wait, c.Due().Sub(now))
	}
	return withJitter(max(wait, min(minFetch, r.cfg.Fetch)))
}

// minFetch prevents a server that has only an old CRL from being asked all the time.
const minFetch = 5 * time.Second

// withJitter returns d less up to a quarter of it, at random.
func withJitter(d time.Duration) time.Duration { return retry.Between(d-d/4, d) }
