package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

// kept is how a chain is judged that passed before, when what it signed was taken in.
type kept struct {
	at         time.Time // of the taking in
	revocation bool      // what is at hand counts where it revokes
}

// VerifyKept judges again the chain of what was taken in at a time before, after Verify: dates are judged at that time. Of the
// revocation data at hand what revokes counts, now as then; that there is none is no reason to refuse. It never waits.
func (t *Trust) VerifyKept(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at, true}})
}

// VerifyOwn is VerifyKept for what we signed ourselves at that time. Revocation is not looked at: whether our certificate was
// replaced since says nothing about what its key signed.
func (t *Trust) VerifyOwn(chain []*x509.Certificate, want Want, at time.Time) (*Verdict, error) {
	return t.verify(chain, want, circumstances{kept: &kept{at: at}})
}

func (k *kept) moment(t *Trust) time.Time {
	if k == nil {
		return t.moment()
	}
	return k.at
}

// overlooks says whether a refusal for revocation does not count.
func (k *kept) overlooks(r *Refusal) bool {
	return k != nil && r != nil && !(k.revocation && r.Revokes())
}

// Revokes says whether somebody has revoked the certificate; every other reason is about what could not be found out, or about
// something else.
func (r *Refusal) Revokes() bool {
	return slices.Contains([]Reason{Revoked, CARevoked, OnDenyList}, r.Reason)
}

// SetAnchors replaces the anchors that have no file (TrustConfig.Known), at once. The error says why the ones before stay.
func (t *Trust) SetAnchors(anchors []Anchor) error {
	f := &t.rootFiles
	f.mu.Lock()
	defer f.mu.Unlock()
	before := t.cfg.Known
	t.cfg.Known = slices.Clone(anchors)
	r, err := t.loadRoots()
	if err == nil && !r.equal(t.roots.Load()) {
		err = t.observeRoots(r)
	}
	if err != nil {
		t.cfg.Known = before
		return err
	}
	if !r.equal(t.roots.Load()) {
		t.adopt(r)
		t.log.Info("anchors replaced", "anchors", len(r.anchors))
		t.tellChanged()
	}
	return nil
}
