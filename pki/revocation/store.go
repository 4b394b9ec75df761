package revocation

import (
	"context"
	"errors"
	"sync"
	"time"

	"tlagate/internal/address"
	"tlagate/internal/retry"
)

// Store has the revocation data at hand, and renews them: lists, OCSP answers, the deny list. It is safe for concurrent
// use.
type Store struct {
	*shared
	*crlStore
	*denyList
	*ocspClient

	own    ownStaples
	warned map[string]bool // data of whose lateness the log has warned; owned by renew
}

// New reads the deny list and what was kept across a restart, but no CRL yet: call Learn with the CAs first, then
// Reload. The error names everything that is unreadable.
func New(cfg Config) (*Store, error) {
	base := newShared(cfg.withDefaults())
	deny := &denyList{shared: base}
	lists := &crlStore{shared: base, deny: deny}
	lists.snap.Store(&snapshot{})
	ocsp := &ocspClient{shared: base, lists: lists, deny: deny}
	s := &Store{shared: base, crlStore: lists, denyList: deny, ocspClient: ocsp}
	var err error
	lists.numbers, err = openNumbers(cfg.State)
	if err := errors.Join(cfg.check(), deny.openDenyList(), deny.openDenials(), ocsp.openAnswers(), err); err != nil {
		return nil, err
	}
	lists.openSources()
	return s, nil
}

// openSources makes the sources; nothing is read yet.
func (t *crlStore) openSources() {
	shown := address.AllShown(t.cfg.CRLs)
	for _, where := range t.cfg.CRLs {
		t.sources = append(t.sources, t.newSource(where, shown[where]))
	}
	t.received = t.newReceived()
	t.sources = append(t.sources, t.received)
}

// Run reads changed files again, fetches URLs and OCSP answers before they go stale, and warns of those that will. It
// blocks until ctx ends, and returns ctx's error.
func (t *Store) Run(ctx context.Context) error {
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

// Reload reads every file and CRL URL now, and returns when each has been read, or its FetchTimeout is over.
func (t *Store) Reload() {
	ctx, cancel := t.untilStop()
	defer cancel()
	var wg sync.WaitGroup
	t.readDenyList(true)
	for _, s := range t.sources {
		wg.Go(func() { t.refresh(ctx, s, true) })
	}
	wg.Wait()
}

// follow refreshes one source whenever it is due, which is sooner after a failure, also of a read that Reload asked
// for.
func (t *crlStore) follow(ctx context.Context, s *source) {
	for {
		timer := time.NewTimer(s.wait(t.now()))
		select {
		case <-timer.C:
			t.refresh(ctx, s, false)
		case <-s.failed:
		case <-ctx.Done():
		}
		if timer.Stop(); ctx.Err() != nil {
			return
		}
	}
}

// watchDates reads the deny list when it has changed, and announces CRLs that go stale or come into force merely
// because time passes.
func (t *Store) watchDates(ctx context.Context) {
	for retry.Sleep(ctx, t.cfg.Poll) {
		t.readDenyList(false)
		t.noticeDates()
	}
}

// renew asks again for the answers about certificates in use, before they end; it blocks until ctx ends.
func (t *Store) renew(ctx context.Context) {
	limit := make(chan struct{}, fetchers)
	var running sync.WaitGroup
	defer running.Wait()
	for retry.Sleep(ctx, t.cfg.Poll) {
		t.touchOwn()
		for _, who := range t.answers.due(t.now(), t.cfg.OCSP.Refresh) {
			select {
			case limit <- struct{}{}:
			case <-ctx.Done():
				return
			}
			running.Go(func() {
				defer func() { <-limit }()
				limited, cancel := context.WithTimeout(ctx, t.cfg.OCSP.Timeout)
				defer cancel()
				t.fetch(limited, who, t.now())
			})
		}
		t.warnStale()
	}
}
