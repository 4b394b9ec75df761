package ca

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"tlagate/ca/store"
)

// Published is a list that the world has: a CRL of the issuing CA, or an ARL of the root.
type Published struct {
	Source string // file or URL, for people
	Data   []byte // DER, or PEM
}

// Caught is what old books have learned from the lists that the world has.
type Caught struct {
	Lists   []*List        // those given, in that order
	Revoked int            // certificates that the books had as good, or on hold, and now have as revoked
	Lost    int            // serial numbers that the books did not know, now in them as revoked
	Held    []store.Record // on hold in the books but not on the newest CRL: they stay on hold until released
	Gaps    []string       // what may still be missing, if that was accepted
}

// Recovery brings books that come from an older copy to where the world is.
type Recovery struct{ *core }

func newRecovery(k *core) *Recovery { return &Recovery{k} }

// CatchUp brings books that come from an older copy up to date, before anything is signed with them. What is revoked on
// a list that is given, or on one in public/, is then revoked in the books; a serial number that the books do not know
// stays on the CRL until the CA's own end. CatchUp refuses without a CRL and an ARL that are still valid and no older
// than the books, unless acceptLoss is set.
func (c *Recovery) CatchUp(given []Published, acceptLoss bool) (caught Caught, err error) {
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
	err = c.locks.books(func() error { return c.takeOver(lists, &caught) })
	if err != nil {
		return caught, fmt.Errorf("cannot take over the published lists: %w", err)
	}
	for _, l := range lists {
		if l.given {
			caught.Lists = append(caught.Lists, &l.list)
		}
	}
	caught.Held, err = c.stillHeld(newestOfAll(lists, c.issuing.cert))
	return caught, err
}

func joined(gaps []string) error {
	var errs []error
	for _, gap := range gaps {
		errs = append(errs, errors.New(gap))
	}
	return errors.Join(errs...)
}

// gaps returns why revocations may remain unknown after the lists have been taken over; ideally it is empty.
func (c *Recovery) gaps(lists []*worldList) (gaps []string, err error) {
	for _, kind := range []struct {
		name   string
		issuer *x509.Certificate
	}{{"CRL", c.issuing.cert}, {"ARL", c.root.cert}} {
		_, last, err := c.store.LastCRL(store.KeyID(kind.issuer))
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

// gap compares a list with the one that came with the books, by its number own, and with the time of the books' last
// list, whose number may have leapt.
func gap(name string, l *worldList, own int64, last, now time.Time) string {
	switch {
	case l == nil:
		return fmt.Sprintf("the published %s is not given", name)
	case l.Number < own || l.ThisUpdate.Before(last):
		return fmt.Sprintf("the %s %s has number %d and is of %s: it is older than the books",
			name, l.source, l.Number, l.ThisUpdate.Format(time.RFC3339))
	case now.After(l.NextUpdate):
		return fmt.Sprintf("the %s %s ended at %s: there may be a newer one",
			name, l.source, l.NextUpdate.Format(time.RFC3339))
	}
	return ""
}

// newest returns the list of an issuer with the highest number, among those given or those that came with the books.
func newest(lists []*worldList, issuer *x509.Certificate, given bool) (best *worldList) {
	for _, l := range lists {
		if l.Issuer == issuer && l.given == given && (best == nil || l.Number > best.Number) {
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

// takeOver changes the books, all or nothing, and puts the newest lists into public/, where the next lists are compared
// with them.
func (c *Recovery) takeOver(lists []*worldList, caught *Caught) error {
	crl, arl := newestOfAll(lists, c.issuing.cert), newestOfAll(lists, c.root.cert)
	var all []store.Published
	for _, l := range distinct(lists) {
		all = append(all, l.Published)
	}
	learnt, err := c.store.CatchUp(all, []store.Published{crl.Published, arl.Published}, c.now())
	caught.Revoked, caught.Lost = learnt.Revoked, learnt.Lost
	if err != nil {
		return err
	}
	return errors.Join(c.show("crl", crl), c.show("arl", arl))
}

// distinct returns the lists without duplicates: the newest one is often that of the copy.
func distinct(lists []*worldList) []*worldList {
	order := func(a, b *worldList) int { return bytes.Compare(a.list.DER, b.list.DER) }
	return slices.CompactFunc(slices.SortedFunc(slices.Values(lists), order),
		func(a, b *worldList) bool { return order(a, b) == 0 })
}

func (c *Recovery) show(name string, l *worldList) error {
	return errors.Join(l.list.Write(c.public(name+".der"), false), l.list.Write(c.public(name+".pem"), true))
}

// stillHeld returns the certificates that are on hold in the books but not on the list: most likely they were released
// since.
func (c *Recovery) stillHeld(l *worldList) (held []store.Record, err error) {
	all, err := c.store.OnHold(c.issuing.id())
	if err != nil {
		return nil, err
	}
	on := map[string]bool{}
	for _, e := range l.Entries {
		on[store.FormatSerial(e.SerialNumber)] = true
	}
	for _, r := range all {
		if !on[r.Serial] {
			held = append(held, r)
		}
	}
	return held, nil
}
