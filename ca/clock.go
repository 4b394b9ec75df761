package ca

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/internal/stamp"
)

// A CA whose clock runs ahead writes that down everywhere: certificates that are not yet valid, codes that are good for
// years, and lists of the future, after which none of the present can follow. So a time that is far beyond the end of
// the last list is doubted, and so is one before its beginning. Revoking goes on whatever the clock says.

// errClock says that the CA's clock is doubted.
var errClock = errors.New("set the clock; if it is right, say so: tla-pki crl --clock-is-right")

// clockPatience is how long after a list's end a CA may come back without being asked about its clock; a list's life,
// when that is longer.
const clockPatience = 7 * 24 * time.Hour

// Clock judges whether the CA's time can be believed.
type Clock struct {
	*core
	trusted bool // by a person
}

func newClock(k *core) *Clock { return &Clock{core: k} }

// doubt compares the clock with the last list of an issuer, which is valid for so long.
func (c *Clock) doubt(by *issuer, validity time.Duration) error {
	_, last, err := c.store.LastCRL(by.id())
	if err != nil {
		return fmt.Errorf("cannot read when the last list was made: %w", err)
	}
	now, ends := c.now(), last.UTC().Add(validity)
	switch {
	case c.trusted || last.IsZero():
		return nil
	case now.Before(last):
		return fmt.Errorf("the clock says %s, before the last one's %s: %w", stamp.Instant(now), stamp.Instant(last),
			errClock)
	case now.After(ends.Add(max(clockPatience, validity))):
		return fmt.Errorf("the clock says %s, long after the last list's end, %s: %w",
			stamp.Instant(now), stamp.Instant(ends), errClock)
	}
	return nil
}

// Check returns an error when the clock is doubted, as publishing a CRL would.
func (c *Clock) Check() error { return c.doubt(c.issuing, c.settings.crlLife()) }

// notAhead refuses what must not be written down with a clock that runs ahead.
func (c *Clock) notAhead() error {
	_, last, err := c.store.LastCRL(c.issuing.id())
	if err != nil || c.now().Before(last) {
		return err
	}
	return c.Check()
}

// FromFuture is what a clock that ran ahead has left in the books.
type FromFuture struct {
	Withdrawn    []store.Invitation // open ones, which are worthless now
	Certificates []store.Record     // that run and nobody takes yet: revoke them, and issue them again
}

// Trust says that a person has compared the clock with another one: from now on this CA goes by it. Open codes of the
// future are withdrawn, and revocations of the future are dated back to now.
func (c *Clock) Trust() (found FromFuture, err error) {
	_, last, err := c.store.LastCRL(c.issuing.id())
	if err != nil {
		return found, fmt.Errorf("cannot read when the last list was made: %w", err)
	}
	if err := c.trail.record(audit.CAClock, audit.From(stamp.Instant(last)),
		audit.To(stamp.Instant(c.now()))); err != nil {
		return found, err
	}
	c.trusted = true
	err = c.locks.books(func() error {
		found, err = c.leaveFuture()
		return err
	})
	if err != nil {
		return found, fmt.Errorf("cannot take back what is of the future: %w", err)
	}
	return found, nil
}

func (c *Clock) leaveFuture() (found FromFuture, err error) {
	now := c.now()
	ahead := now.Add(clockAhead)
	invitations := c.store.Invitations()
	if found.Withdrawn, err = invitations.Unused(); err != nil {
		return found, err
	}
	found.Withdrawn = slices.DeleteFunc(found.Withdrawn,
		func(i store.Invitation) bool { return !i.MadeAt.After(ahead) })
	for _, i := range found.Withdrawn {
		if err := invitations.Withdraw(i.ID, now); err != nil {
			return found, err
		}
	}
	if found.Certificates, err = c.store.BeginAfter(ahead); err != nil {
		return found, err
	}
	return found, c.store.Antedate(ahead, now)
}
