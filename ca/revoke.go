package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	"tlagate/audit"
	"tlagate/ca/store"
)

// Selection names certificates to revoke or release; exactly one field is set.
type Selection struct {
	Serial      string            // hexadecimal
	Certificate *x509.Certificate // one of ours
	Identity    string            // URN: every certificate of that component that has not ended
}

// Revocations revokes certificates, and releases them from hold.
type Revocations struct{ *core }

func newRevocations(k *core) *Revocations { return &Revocations{k} }

// Revoke revokes, for good unless the reason is Hold; with an identity, its open invitations are withdrawn too. It
// changes the books only: publish a CRL next, or, when one of the returned records IsCA, an ARL. Revoking the issuing
// CA needs the root's key.
func (v *Revocations) Revoke(which Selection, reason store.Reason) (revoked []store.Record, err error) {
	if reason.String() == "" {
		return nil, fmt.Errorf("cannot revoke for reason %d: it is none of %s", int(reason),
			strings.Join(store.ReasonNames(), ", "))
	}
	err = v.locks.books(func() error {
		revoked, err = v.revoke(which, reason)
		return err
	})
	return revoked, err
}

func (v *Revocations) revoke(which Selection, reason store.Reason) ([]store.Record, error) {
	chosen, err := v.choose(which, func(r store.Record) bool {
		return r.Status != store.Revoked || r.Held() && reason != store.Hold
	})
	if err != nil {
		return nil, fmt.Errorf("cannot revoke: %w", err)
	}
	if which.Identity != "" { // an open code must not undo the revocation
		if err := v.store.Invitations().WithdrawOf(which.Identity, v.now()); err != nil {
			return nil, fmt.Errorf("cannot withdraw the invitations of %s: %w", which.Identity, err)
		}
	}
	revoked, err := v.each("revoke", chosen, func(r store.Record) error { return v.revokeOne(r, reason) })
	for _, r := range revoked { // a trace that cannot be written does not prevent a revocation
		err = errors.Join(err, v.trail.certificate(audit.CertificateRevoked, r, reason.String()), v.elsewhere(r))
	}
	return revoked, err
}

// Release makes certificates on hold good again. It changes the books only: publish a CRL next.
func (v *Revocations) Release(which Selection) (released []store.Record, err error) {
	err = v.locks.books(func() error {
		chosen, err := v.choose(which, store.Record.Held)
		if err != nil {
			return fmt.Errorf("cannot release: %w", err)
		}
		released, err = v.each("release", chosen, v.releaseOne)
		return err
	})
	return released, err
}

// each changes the records and reads them again.
func (v *Revocations) each(verb string, chosen []store.Record,
	change func(store.Record) error) (done []store.Record, err error) {
	for _, r := range chosen {
		if err := change(r); err != nil {
			return done, fmt.Errorf("cannot %s certificate %s of %s: %w", verb, r.Serial, r.Identity, err)
		}
		now, err := v.store.Again(r)
		if err != nil {
			return done, err
		}
		done = append(done, now...)
	}
	return done, nil
}

func (v *Revocations) releaseOne(r store.Record) error {
	switch {
	case r.Status != store.Revoked:
		return store.ErrNotHeld
	case !r.Held():
		return fmt.Errorf("it was revoked at %s for good (%s); issue a new one",
			r.RevokedAt.Format("2006-01-02 15:04:05 MST"), r.Reason)
	}
	if err := v.trail.certificate(audit.CertificateReleased, r, ""); err != nil {
		return err
	}
	return v.store.Release(r)
}

func (v *Revocations) revokeOne(r store.Record, reason store.Reason) error {
	if r.Status == store.Revoked && (!r.Held() || reason == store.Hold) {
		return fmt.Errorf("%w: %s (%s)", store.ErrRevoked, r.RevokedAt.Format("2006-01-02 15:04:05 MST"), r.Reason)
	}
	if r.IsCA() {
		if reason == store.Hold {
			return errors.New("a CA is not put on hold; revoke it for good")
		}
		if _, err := v.root.key(); err != nil {
			return err // a revocation that no ARL can announce would be ineffective
		}
	}
	return v.store.Revoke(r, reason, v.now())
}

// elsewhere returns an error for a certificate of the CA before ours, which is on none of our lists.
func (v *Revocations) elsewhere(r store.Record) error {
	if r.IsCA() || r.Issuer == v.issuing.id() {
		return nil
	}
	return fmt.Errorf("certificate %s of %s is of the CA before this one: it can no longer renew here, but only "+
		"a list of that CA revokes it: revoke it there too", r.Serial, r.Identity)
}

// choose returns the selected certificates; of an identity, those that have not expired and are fit.
func (v *Revocations) choose(which Selection, fit func(store.Record) bool) ([]store.Record, error) {
	switch {
	case which.Identity != "" && which.Serial == "" && which.Certificate == nil:
		return v.running(which.Identity, fit)
	case which.Serial != "" && which.Identity == "" && which.Certificate == nil:
		if strings.HasPrefix(which.Serial, "urn:") {
			return nil, fmt.Errorf("%q is no serial number", which.Serial)
		}
		return v.find(which.Serial)
	case which.Certificate != nil && which.Identity == "" && which.Serial == "":
		r, err := v.ours(which.Certificate)
		return []store.Record{r}, err
	}
	return nil, errors.New("name one of a serial number, a certificate or an identity")
}

// running returns the certificates of an identity that have not expired and are fit.
func (v *Revocations) running(identity string, fit func(store.Record) bool) ([]store.Record, error) {
	all, err := v.find(identity)
	if err != nil {
		return nil, err
	}
	var out []store.Record
	for _, r := range all {
		if fit(r) && !r.Expired(v.now()) {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("none of the %d certificates of %s is still valid and open to that", len(all), identity)
	}
	return out, nil
}
