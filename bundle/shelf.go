package bundle

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"tlagate/internal/files"
	"tlagate/pki"
	"tlagate/pki/trust"
)

// Ending is how the names of served bundles end.
const Ending = ".p7m"

// ShelfConfig says what a gateway serves.
type ShelfConfig struct {
	Dir   string
	Trust *trust.Trust  // judges signers
	Poll  time.Duration // how often files are looked at; 0 = 1 s
	Log   *slog.Logger  // nil = discard
}

// recheck is how often signers are verified again, so that their OCSP answers stay fresh.
const recheck = 10 * time.Second

// Shelf has the bundles that a gateway serves. Its methods may be called from any goroutine.
type Shelf struct {
	cfg ShelfConfig

	mu    sync.Mutex // protects items
	items map[string]*item
}

// item is one file.
type item struct {
	watch  *pki.FileWatch // owned by look
	bundle *Bundle        // nil = broken
	target target
	said   string // the last complaint; owned by look
}

// OpenShelf reads the directory; broken files are logged.
func OpenShelf(cfg ShelfConfig) (*Shelf, error) {
	cfg.Poll = cmp.Or(cfg.Poll, time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Shelf{cfg: cfg, items: map[string]*item{}}
	if err := s.look(); err != nil {
		return nil, err
	}
	s.verify()
	return s, nil
}

// Run reads files again when they change, until ctx ends. On a nil Shelf it does nothing.
func (s *Shelf) Run(ctx context.Context) {
	if s == nil {
		return
	}
	tick := time.NewTicker(s.cfg.Poll)
	defer tick.Stop()
	verified := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.look(); err != nil {
			s.cfg.Log.Error("cannot look for bundles", "error", err)
		}
		if time.Since(verified) >= recheck {
			s.verify()
			verified = time.Now()
		}
	}
}

// look reads what is new or has changed, and forgets what is gone.
func (s *Shelf) look() error {
	files, err := filepath.Glob(filepath.Join(s.cfg.Dir, "*"+Ending))
	if err != nil {
		return fmt.Errorf("cannot list the bundles of %s: %w", s.cfg.Dir, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for file := range s.items {
		if !slices.Contains(files, file) {
			delete(s.items, file)
			s.cfg.Log.Info("bundle no longer served: its file is gone", "file", file)
		}
	}
	for _, file := range files {
		if have := s.items[file]; have == nil || have.watch.Changed() {
			s.items[file] = s.read(file, have)
		}
	}
	return nil
}

func (s *Shelf) read(file string, before *item) *item {
	i := &item{watch: pki.NewFileWatch(file)}
	if before != nil {
		i.said = before.said
	}
	der, err := files.Read(file, MaxSigned)
	if err == nil {
		i.bundle, err = Read(der)
	}
	if err != nil {
		s.complain(i, file, err)
		return i
	}
	i.target, _ = parseTarget(i.bundle.For) // checked when it was read
	if before == nil || before.bundle == nil || digest(before.bundle.DER) != digest(der) {
		s.cfg.Log.Info("bundle read", "file", file, "for", i.bundle.For, "version", i.bundle.Version,
			"min_version", i.bundle.MinVersion)
		go s.verifyOne(i, file)
	}
	return i
}

// complain logs once what is wrong.
func (s *Shelf) complain(i *item, file string, err error) {
	if err.Error() != i.said {
		i.said = err.Error()
		s.cfg.Log.Error("bundle not served", "file", file, "reason", string(pki.ReasonOf(err)), "error", err)
	}
}

// verify judges every signer by the data that there is, and keeps the answers about it fresh.
func (s *Shelf) verify() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for file, i := range s.items {
		if i.bundle == nil {
			continue
		}
		if _, err := s.cfg.Trust.VerifyKnown(i.bundle.Chain, Want); err != nil {
			s.complain(i, file, err)
		} else {
			i.said = ""
		}
	}
}

// verifyOne fetches what is needed to judge a signer, which may take some seconds.
func (s *Shelf) verifyOne(i *item, file string) {
	_, err := s.cfg.Trust.Verify(i.bundle.Chain, Want)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.complain(i, file, err)
	}
}

// Offer is what a gateway has for a device.
type Offer struct {
	Bundle  *Bundle  // nil = nothing that may be served
	Answers [][]byte // OCSP answers about its signer and the CAs above, DER
}

// For returns what there is for a device. Its own bundle is preferred to one for all, and then the higher version. A
// bundle whose signer is not accepted is left out, but what OCSP says about the signer is not.
func (s *Shelf) For(id pki.Identity) Offer {
	b := s.pick(id)
	if b == nil {
		return Offer{}
	}
	verdict, err := s.cfg.Trust.VerifyKnown(b.Chain, Want)
	o := Offer{Bundle: b}
	for _, st := range s.cfg.Trust.StatusFor(verdict.Path) {
		if !st.ARL {
			o.Answers = append(o.Answers, st.DER)
		}
	}
	if err != nil {
		o.Bundle = nil
	}
	return o
}

func (s *Shelf) pick(id pki.Identity) *Bundle {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best *item
	for _, i := range s.items {
		if i.bundle != nil && i.target.covers(id) && (best == nil || i.before(best)) {
			best = i
		}
	}
	if best == nil {
		return nil
	}
	return best.bundle
}

// before reports whether i is preferred to o.
func (i *item) before(o *item) bool {
	if own, other := i.target.Name != "*", o.target.Name != "*"; own != other {
		return own
	}
	return i.bundle.Version > o.bundle.Version
}
