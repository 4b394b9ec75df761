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

// A CA whose clock is ahead leaves traces of that everywhere: certificates that are not yet valid, codes that are good
// for years, and lists from the future, after which none of the present can follow. So a time that is far beyond the
// end of the last list is doubted, and so is one before its beginning. Revoking works whatever the clock says.

// errClock says that the CA's clock is doubted.
var errClock = errors.New("set the clock; if it is right, say so: tla-pki crl --clock-is-right")

// clockPatience is how long after the last list's end a CA's clock is not doubted; a list's life, if that is longer.
const clockPatience = 7 * 24 * time.Hour

// Clock judges whether the CA's time is plausible.
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

// notAhead returns an error when the clock is ahead, for what must not be recorded then.
func (c *Clock) notAhead() error {
	_, last, err := c.store.LastCRL(c.issuing.id())
	if err != nil || c.now().Before(last) {
		return err
	}
	return c.Check()
}

// FromFuture is what a clock that ran ahead has left in the books.
type FromFuture struct {
	Withdrawn    []store.Invitation // were open, and are worthless now
	Certificates []store.Record     // issued, but not valid yet: revoke them, and issue them again
}

// Trust makes this CA go by its clock, which a person has compared with another one. Open codes from the future are
// withdrawn, and revocations from the future are dated back to now.
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
