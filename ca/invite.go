package ca

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tlagate/ca/store"
	"tlagate/est"
	"tlagate/pki"
)

// Guest is a device to invite.
type Guest struct {
	Identity pki.Identity  // of a role of InvitedRoles
	DNS      []string      // names of a server: a PdT and a gateway need one
	TTL      time.Duration // how long the code is good; 0 = 24 h; 1 min to 30 days
	By       string        // who invites, for the books
	Again    bool          // invite it even if the identity has a valid certificate
	OneCode  bool          // refuse if the identity has an open code, which is otherwise withdrawn
}

// invitedRoles are the roles whose devices enrol. The PKI's own server and the OCSP responder are not among them:
// somebody who steals a code for one of those could speak for the PKI. Their certificates come from 'tla-pki issue'.
var invitedRoles = []pki.Role{pki.RoleTLA, pki.RolePdT, pki.RoleGateway, pki.RoleAdmin}

const (
	defaultTTL = 24 * time.Hour
	minTTL     = time.Minute
	maxTTL     = 30 * 24 * time.Hour
)

// ErrHasCertificate says that an invited identity has a valid certificate already: a second device under one name is
// most likely a mistake.
var ErrHasCertificate = errors.New("it has a valid certificate already")

// ErrHasCode says that an invited identity has an open code already, which somebody may have been given.
var ErrHasCode = errors.New("it has an open code already")

// Invitations are the CA's side of one-time codes.
type Invitations struct {
	*core
	clock       *Clock
	revocations *Revocations
}

func newInvitations(k *core, clock *Clock, revocations *Revocations) *Invitations {
	return &Invitations{k, clock, revocations}
}

// Invited are new codes.
type Invited struct {
	Codes     []est.Code         // in the order of the guests
	Withdrawn []store.Invitation // open ones of the same identities, whose codes are worthless now
}

// Invite makes a one-time code for each guest, or none at all. The books keep hashes: a code is here and nowhere else.
func (c *Invitations) Invite(guests ...Guest) (invited Invited, err error) {
	err = c.locks.books(func() error {
		invited, err = c.invite(guests)
		return err
	})
	return invited, err
}

func (c *Invitations) invite(guests []Guest) (invited Invited, err error) {
	if err := c.mayInvite(guests); err != nil {
		return Invited{}, err
	}
	now := c.now()
	list := make([]store.NewInvitation, len(guests))
	for i, g := range guests {
		open, err := c.open(g.Identity)
		if err != nil {
			return Invited{}, fmt.Errorf("cannot invite: %w", err)
		}
		code := est.NewCode(c.root.cert)
		invited.Codes, invited.Withdrawn = append(invited.Codes, code), append(invited.Withdrawn, open...)
		list[i] = store.NewInvitation{Hash: code.Hash(), Invitation: store.Invitation{
			Identity: g.Identity.String(), DNS: g.DNS, MadeAt: now, MadeBy: g.By,
			Expiry: now.Add(cmp.Or(g.TTL, defaultTTL)),
		}}
	}
	return invited, c.store.Invitations().Record(list)
}

// mayInvite returns why these guests cannot be invited, or nobody.
func (c *Invitations) mayInvite(guests []Guest) error {
	if err := c.checkGuests(guests); err != nil {
		return err
	}
	err := c.mayServe()
	if err == nil {
		err = c.clock.notAhead()
	}
	if err != nil {
		return fmt.Errorf("cannot invite: %w", err)
	}
	return nil
}

// open returns the invitations of an identity whose codes are good.
func (c *Invitations) open(id pki.Identity) ([]store.Invitation, error) {
	unused, err := c.store.Invitations().UnusedOf(id.String())
	return slices.DeleteFunc(unused, func(i store.Invitation) bool { return i.State(c.now()) != "open" }), err
}

// mostTold is how many guests a refusal names at most.
const mostTold = 20

// checkGuests returns what is wrong with any of the guests.
func (c *Invitations) checkGuests(guests []Guest) error {
	var wrong []error
	seen := map[pki.Identity]bool{}
	for _, g := range guests {
		err := c.checkGuest(g)
		if err == nil && seen[g.Identity] {
			err = errors.New("it is there twice")
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("cannot invite %s: %w", onOneLine(g.Identity), err))
		}
		seen[g.Identity] = true
	}
	if more := len(wrong) - mostTold; more > 1 {
		wrong = append(wrong[:mostTold], fmt.Errorf("and %d more", more))
	}
	return errors.Join(wrong...)
}

// onOneLine returns what may be no identity, as a stranger's file had it.
func onOneLine(id pki.Identity) string {
	quoted := strconv.QuoteToGraphic(id.String())
	return quoted[1 : len(quoted)-1]
}

func (c *Invitations) checkGuest(g Guest) error {
	if _, err := pki.ParseIdentity(g.Identity.String()); err != nil {
		return err
	}
	if err := checkInvited(g); err != nil {
		return err
	}
	if g.TTL != 0 && (g.TTL < minTTL || g.TTL > maxTTL) {
		return fmt.Errorf("a code for %s is not allowed: want %s to %s", g.TTL, minTTL, maxTTL)
	}
	if err := c.oneCode(g); err != nil {
		return err
	}
	valid, err := c.valid(g.Identity)
	if err != nil || len(valid) == 0 || g.Again {
		return err
	}
	last := valid[len(valid)-1]
	return fmt.Errorf("%w, %s until %s", ErrHasCertificate, last.Serial, last.NotAfter.Format(time.DateOnly))
}

// oneCode refuses a guest that has an open code, which a second one would withdraw, if that is not wanted.
func (c *Invitations) oneCode(g Guest) error {
	if !g.OneCode {
		return nil
	}
	open, err := c.open(g.Identity)
	if len(open) > 0 {
		return fmt.Errorf("%w, invitation %d until %s", ErrHasCode, open[0].ID, open[0].Expiry.Format(time.RFC3339))
	}
	return err
}

func checkInvited(g Guest) error {
	serves := slices.ContainsFunc(profiles, func(p profile) bool { return p.Role == g.Identity.Role && p.Server })
	switch {
	case !slices.Contains(invitedRoles, g.Identity.Role):
		return fmt.Errorf("a %s does not enrol by a code: issue its certificate with 'tla-pki issue'", g.Identity.Role)
	case serves && len(g.DNS) == 0:
		return fmt.Errorf("a %s has a server certificate, and that needs a DNS name", g.Identity.Role)
	case !serves && len(g.DNS) > 0:
		return fmt.Errorf("a %s has no DNS names, only a server has", g.Identity.Role)
	}
	for _, name := range g.DNS {
		if err := checkDNS(name); err != nil {
			return err
		}
	}
	return nil
}

// List returns every invitation, oldest first.
func (c *Invitations) List() ([]store.Invitation, error) { return c.store.Invitations().All() }

// Withdraw makes the code of an open invitation worthless.
func (c *Invitations) Withdraw(id int64) error {
	return c.locks.books(func() error {
		if err := c.store.Invitations().Withdraw(id, c.now()); err != nil {
			return fmt.Errorf("cannot withdraw invitation %d: %w", id, err)
		}
		return nil
	})
}
