package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/internal/stamp"
)

// A CA whose clock runs ahead writes that down everywhere: certificates that nobody takes yet, codes that are good for years, and lists of the
// future, after which none of the present can follow. So a time that is far beyond the end of the last list is doubted, and so is one before
// its beginning. Revoking goes on whatever the clock says.

// ErrClock says that the CA's clock is doubted.
var ErrClock = errors.New("set the clock; if it is right, say so: tla-pki crl --clock-is-right")

// clockPatience is how long after a list's end a CA may come back without being asked about its clock; a list's life, when that is longer.
const clockPatience = 7 * 24 * time.Hour

// doubt compares the clock with the last list of a CA, which is good for so long.
func (c *CA) doubt(issuer *x509.Certificate, validity time.Duration) error {
	_, last, err := c.store.lastCRL(keyID(issuer))
	if err != nil {
		return fmt.Errorf("cannot read when the last list was made: %w", err)
	}
	now, ends := c.now(), last.UTC().Add(validity)
	switch {
	case c.clockTrusted || last.IsZero():
		return nil
	case now.Before(last):
		return fmt.Errorf("the clock says %s, before the last one's %s: %w", stamp.Instant(now), stamp.Instant(last), ErrClock)
	case now.After(ends.Add(max(clockPatience, validity))):
		return fmt.Errorf("the clock says %s, long after the last list's end, %s: %w", stamp.Instant(now), stamp.Instant(ends), ErrClock)
	}
	return nil
}

// CheckClock reports whether the clock is doubted, as publishing a CRL would.
func (c *CA) CheckClock() error { return c.doubt(c.Issuing, c.ListLife()) }

// clockAheadNow refuses what must not be written down with a clock that ran ahead.
func (c *CA) clockAheadNow() error {
	_, last, err := c.store.lastCRL(keyID(c.Issuing))
	if err != nil || c.now().Before(last) {
		return err
	}
	return c.CheckClock()
}

// FromFuture is what a clock that ran ahead has left in the books.
type FromFuture struct {
	Withdrawn    []Invitation // open ones, which are worthless now
	Certificates []Record     // that run and nobody takes yet: revoke them, and issue them again
}

// TrustClock says that a person has compared the clock with another one: from now on this CA goes by it. Open codes of the future are
// withdrawn, and revocations of the future are of now.
func (c *CA) TrustClock() (found FromFuture, err error) {
	_, last, err := c.store.lastCRL(keyID(c.Issuing))
	if err != nil {
		return found, fmt.Errorf("cannot read when the last list was made: %w", err)
	}
	if err := c.trace(audit.CAClock, audit.From(stamp.Instant(last)), audit.To(stamp.Instant(c.now()))); err != nil {
		return found, err
	}
	c.clockTrusted = true
	err = c.locked(func() error {
		found, err = c.leaveFuture()
		return err
	})
	if err != nil {
		return found, fmt.Errorf("cannot take back what is of the future: %w", err)
	}
	return found, nil
}

func (c *CA) leaveFuture() (found FromFuture, err error) {
	now := c.now()
	ahead := now.Add(clockAhead)
	if found.Withdrawn, err = c.store.invitations("used_at IS NULL AND withdrawn_at IS NULL"); err != nil {
		return found, err
	}
	found.Withdrawn = slices.DeleteFunc(found.Withdrawn, func(i Invitation) bool { return !i.MadeAt.After(ahead) })
	for _, i := range found.Withdrawn {
		if err := c.store.withdraw(i.ID, now); err != nil {
			return found, err
		}
	}
	if found.Certificates, err = c.store.find("status <> ? AND not_before > ?", Revoked, ahead); err != nil {
		return found, err
	}
	_, err = c.store.db.Exec(`UPDATE certificates SET revoked_at = ? WHERE status = ? AND revoked_at > ?`, now, Revoked, ahead)
	return found, err
}
