package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"
)

// Published is a list that the world has: a CRL of the issuing CA, or an ARL of the root.
type Published struct {
	Source string // file or URL, for people
	Data   []byte // DER, or PEM
}

// Caught is what old books have learned from the lists that the world has.
type Caught struct {
	Lists   []*List  // those given, in that order
	Revoked int      // certificates that the books had as good, or on hold, and now have as revoked
	Lost    int      // serial numbers that the books did not know, now in them as revoked
	Held    []Record // on hold in the books and not on the newest CRL: they stay so until released
	Gaps    []string // what may be missing all the same, when that was accepted
}

// Numbers and ids that were used after the copy was made must not be used again: peers refuse a list whose number goes
// back, and gateways ask for the events after the last one they saw. How many there were nobody knows, so both leap.
const (
	leapNumber = 1_000_000
	leapEvent  = 1_000_000_000
)

// CatchUp brings books that come from an older copy to where the world is, before anything is signed with them: who is
// revoked on a list given, or on one in public/, is revoked in the books from then on, and with serial numbers that the books do
// not know until the CA's own end. Without a CRL and an ARL that are still good and no older than the books it
// refuses, unless acceptLoss.
func (c *CA) CatchUp(given []Published, acceptLoss bool) (caught Caught, err error) {
	lists, err := c.readLists(given)
	if err != nil {
		return caught, err
	}
	if caught.Gaps, err = c.gaps(lists); err != nil {
		return caught, err
	}
	if len(caught.Gaps) > 0 && !acceptLoss {
		return caught, fmt.Errorf("cannot tell who was revoked since the books were copied: %w", joined(caught.Gaps))
	}
	err = c.locked(func() error { return c.takeOver(lists, &caught) })
	if err != nil {
		return caught, fmt.Errorf("cannot take over the published lists: %w", err)
	}
	for _, l := range lists {
		if l.given {
			caught.Lists = append(caught.Lists, &l.List)
		}
	}
	caught.Held, err = c.stillHeld(newestOfAll(lists, c.Issuing))
	return caught, err
}

func joined(gaps []string) error {
	var errs []error
	for _, gap := range gaps {
		errs = append(errs, errors.New(gap))
	}
	return errors.Join(errs...)
}

// gaps says why revocations may be unknown although the lists are taken over; none is what one wants.
func (c *CA) gaps(lists []*worldList) (gaps []string, err error) {
	for _, kind := range []struct {
		name   string
		issuer *x509.Certificate
	}{{"CRL", c.Issuing}, {"ARL", c.Root}} {
		_, last, err := c.store.lastCRL(keyID(kind.issuer))
		if err != nil {
			return nil, fmt.Errorf("cannot read when the books' last list was made: %w", err)
		}
		given, own := newest(lists, kind.issuer, true), newest(lists, kind.issuer, false)
		if gap := gap(kind.name, given, own.Number, last.UTC(), c.now()); gap != "" {
			gaps = append(gaps, gap)
		}
	}
	return gaps, nil
}

// gap compares with the list that came with the books, number own, and with the time of their last one: its number may have leapt.
func gap(name string, l *worldList, own int64, last, now time.Time) string {
	switch {
	case l == nil:
		return fmt.Sprintf("the published %s is not given", name)
	case l.Number < own || l.ThisUpdate.Before(last):
		return fmt.Sprintf("the %s %s has number %d and is of %s: it is older than the books", name, l.source, l.Number, l.ThisUpdate.Format(time.RFC3339))
	case now.After(l.NextUpdate):
		return fmt.Sprintf("the %s %s ended at %s: there may be a newer one", name, l.source, l.NextUpdate.Format(time.RFC3339))
	}
	return ""
}

// newest gives the list of an issuer with the highest number, of those given or of those that came with the books.
func newest(lists []*worldList, issuer *x509.Certificate, given bool) (best *worldList) {
	for _, l := range lists {
		if l.issuer == issuer && l.given == given && (best == nil || l.Number > best.Number) {
			best = l
		}
	}
	return best
}

// newestOfAll is never nil: one came with the books.
func newestOfAll(lists []*worldList, issuer *x509.Certificate) *worldList {
	given, own := newest(lists, issuer, true), newest(lists, issuer, false)
	if given != nil && given.Number >= own.Number {
		return given
	}
	return own
}

// takeOver changes the books, all or nothing, and puts the newest lists into public/, where the next ones are compared with them.
func (c *CA) takeOver(lists []*worldList, caught *Caught) error {
	err := c.inTx(func(tx *sqlx.Tx) error {
		if _, err := tx.Exec(`UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'events'`, int64(leapEvent)); err != nil {
			return err
		}
		if err := withdrawCodes(tx, c.now()); err != nil {
			return err
		}
		for _, l := range distinct(lists) {
			if err := l.revokeAll(tx, caught); err != nil {
				return err
			}
		}
		return errors.Join(newestOfAll(lists, c.Issuing).leap(tx), newestOfAll(lists, c.Root).leap(tx))
	})
	if err != nil {
		return err
	}
	return errors.Join(c.show("crl", newestOfAll(lists, c.Issuing)), c.show("arl", newestOfAll(lists, c.Root)))
}

// distinct leaves out a list that is there twice: the newest one is often that of the copy.
func distinct(lists []*worldList) []*worldList {
	return slices.CompactFunc(slices.SortedFunc(slices.Values(lists), func(a, b *worldList) int { return bytes.Compare(a.DER, b.DER) }),
		func(a, b *worldList) bool { return bytes.Equal(a.DER, b.DER) })
}

// withdrawCodes makes open invitations worthless: one may have been used after the copy was made.
func withdrawCodes(tx *sqlx.Tx, at time.Time) error {
	var there int
	err := tx.Get(&there, `SELECT count(*) FROM pragma_table_info('invitations') WHERE name = 'withdrawn_at'`)
	if err != nil || there == 0 { // books of before there were invitations
		return err
	}
	_, err = tx.Exec(`UPDATE invitations SET withdrawn_at = ? WHERE used_at IS NULL AND withdrawn_at IS NULL`, at)
	return err
}

func (c *CA) show(name string, l *worldList) error {
	return errors.Join(l.Write(c.Public(name+".der"), false), l.Write(c.Public(name+".pem"), true))
}

// stillHeld gives what the books have on hold and the list does not: released since, most likely.
func (c *CA) stillHeld(l *worldList) (held []Record, err error) {
	all, err := c.store.find("status = ? AND reason = ? AND authority_key_identifier = ?", Revoked, int(Hold), keyID(c.Issuing))
	if err != nil {
		return nil, err
	}
	on := map[string]bool{}
	for _, e := range l.entries {
		on[e.SerialNumber.String()] = true
	}
	for _, r := range all {
		if !on[r.serial.String()] {
			held = append(held, r)
		}
	}
	return held, nil
}
