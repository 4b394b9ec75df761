package ca

import (
	"errors"
	"fmt"

	"tlagate/audit"
	"tlagate/ca/store"
	"tlagate/est"
)

// Replace puts a new device in place of the one that has a name: it revokes, for good, every certificate of the
// identity that has not ended, and then invites it again. Without DNS names in guest, the identity keeps those that it
// had. Publish a CRL next, also when the error is not nil.
func (c *Invitations) Replace(guest Guest, reason store.Reason) (revoked []store.Record, code est.Code, err error) {
	err = c.locks.books(func() error {
		revoked, code, err = c.replace(guest, reason)
		return err
	})
	return revoked, code, err
}

func (c *Invitations) replace(guest Guest, reason store.Reason) (revoked []store.Record, code est.Code, err error) {
	if guest, err = c.successor(guest); err != nil {
		return nil, code, err
	}
	if reason == store.Hold || reason.String() == "" {
		return nil, code, errors.New("cannot replace: who is replaced does not come back; " +
			"want a reason other than certificateHold")
	}
	running, err := c.valid(guest.Identity)
	if err != nil {
		return nil, code, err
	}
	revoked, err = c.revocations.each("revoke", running, func(r store.Record) error {
		return c.revocations.revokeOne(r, reason)
	})
	for _, r := range revoked { // a trace that cannot be written does not prevent a revocation
		err = errors.Join(err, c.trail.certificate(audit.CertificateRevoked, r, reason.String()))
	}
	if err != nil {
		return revoked, code, err
	}
	invited, err := c.invite([]Guest{guest})
	if err != nil {
		return revoked, code, err
	}
	return revoked, invited.Codes[0], nil
}

// successor checks a guest that replaces another device, before anything is revoked.
func (c *Invitations) successor(g Guest) (Guest, error) {
	if err := c.mayServe(); err != nil {
		return g, fmt.Errorf("cannot replace: %w", err)
	}
	if _, err := c.find(g.Identity.String()); err != nil {
		return g, fmt.Errorf("cannot replace: %w", err)
	}
	if len(g.DNS) == 0 {
		names, err := c.namesOf(g.Identity)
		if err != nil {
			return g, err
		}
		g.DNS = names
	}
	g.Again = true
	return g, c.checkGuests([]Guest{g})
}
