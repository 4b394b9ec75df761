package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
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
	caught.Held, err = c.stillHeld(newest(lists, c.Issuing))
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
	at, err := c.Standing()
	if err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name   string
		issuer *x509.Certificate
		books  int64
	}{{"CRL", c.Issuing, at.CRL}, {"ARL", c.Root, at.ARL}} {
		if gap := gap(kind.name, newestGiven(lists, kind.issuer), kind.books, c.now()); gap != "" {
			gaps = append(gaps, gap)
		}
	}
	return gaps, nil
}

func gap(name string, l *worldList, books int64, now time.Time) string {
	switch {
	case l == nil:
		return fmt.Sprintf("the published %s is not given", name)
	case l.Number < books:
		return fmt.Sprintf("the %s %s has number %d, and the books are at %d: it is older than they are", name, l.source, l.Number, books)
	case now.After(l.NextUpdate):
		return fmt.Sprintf("the %s %s ended at %s: there may be a newer one", name, l.source, l.NextUpdate.Format(time.RFC3339))
	}
	return ""
}

// newest gives the list of an issuer with the highest number; newestGiven only looks at those of the operator.
func newest(lists []*worldList, issuer *x509.Certificate) (best *worldList) {
	for _, l := range lists {
		if l.issuer == issuer && (best == nil || l.Number > best.Number) {
			best = l
		}
	}
	return best
}

func newestGiven(lists []*worldList, issuer *x509.Certificate) *worldList {
	var given []*worldList
	for _, l := range lists {
		if l.given {
			given = append(given, l)
		}
	}
	return newest(given, issuer)
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
		for _, l := range lists {
			if err := l.revokeAll(tx, caught); err != nil {
				return err
			}
		}
		return errors.Join(newest(lists, c.Issuing).leap(tx), newest(lists, c.Root).leap(tx))
	})
	if err != nil {
		return err
	}
	return errors.Join(c.show("crl", newest(lists, c.Issuing)), c.show("arl", newest(lists, c.Root)))
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

// revokeAll revokes what is on the list. What is revoked already stays as it is; a hold may become final.
func (l *worldList) revokeAll(tx *sqlx.Tx, caught *Caught) error {
	for _, entry := range l.entries {
		n, err := l.revoke(tx, entry)
		if err != nil {
			return err
		}
		if n > 0 {
			caught.Revoked++
			continue
		}
		lost, err := l.record(tx, entry)
		if err != nil {
			return err
		}
		if !lost {
			continue
		}
		if _, err := l.revoke(tx, entry); err != nil {
			return err
		}
		caught.Lost++
	}
	return nil
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
