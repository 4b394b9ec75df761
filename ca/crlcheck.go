package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"tlagate/ca/store"
	"tlagate/pki/crl"
)

// losesNothing compares a new list with the published one: its number must be higher, and it must have every entry of
// the published one, unless the books say why not. This finds books that were put back from an old copy, before a new
// list tells anybody that a revoked certificate is good.
func (l *Lists) losesNothing(list *List, published string, by *issuer) error {
	old, err := readPublished(published, by.cert)
	if old == nil || err != nil {
		return err
	}
	if old.Number().Cmp(big.NewInt(list.Number)) >= 0 {
		return fmt.Errorf("the published %s has number %s and the books say that %d is next: "+
			"they are older than it; bring the present ones back", published, old.Number(), list.Number)
	}
	return old.Each(func(serial *big.Int, reason int) error {
		if list.read.Has(serial) {
			return nil
		}
		return l.mayLeave(serial, store.Reason(reason), by, old.ThisUpdate(), list.ThisUpdate)
	})
}

// readPublished returns the list that is published, nil when there is none of this CA.
func readPublished(file string, issuer *x509.Certificate) (*crl.List, error) {
	der, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot compare with the published list: %w", err)
	}
	old, err := crl.Read(der)
	if err != nil || old.CheckSignature(issuer) != nil {
		return nil, nil // damaged, or another CA's: there is nothing to compare with
	}
	return old, nil
}

// mayLeave returns nil if a certificate may leave the list: after its end, or when its hold was released, even if it
// was put on hold again while the list was made, which is for the next list.
func (l *Lists) mayLeave(serial *big.Int, was store.Reason, by *issuer, before, now time.Time) error {
	records, err := l.store.Signed(serial, by.id())
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Expired(before) || was == store.Hold && (r.Status != store.Revoked || !r.RevokedAt.Before(now)) {
			return nil
		}
	}
	return fmt.Errorf("the published list has serial number %s and the new one would not: "+
		"the books have lost a revocation", store.FormatSerial(serial))
}
