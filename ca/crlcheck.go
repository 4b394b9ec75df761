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

// losesNothing compares a new list with the one that is published: its number must be higher, and what was on that
// one must be on this one, unless the books say why not. Books put back from an old copy show here, before
// anybody is told that a revoked certificate is good.
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

// readPublished returns the list that the world has, nil when there is none of this CA.
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
		return nil, nil // spoilt, or another CA's: nothing to be measured by
	}
	return old, nil
}

// mayLeave: a certificate leaves the list after its end, or when a hold was released; also when it was put on hold anew
// while the list was made, which the next list says.
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
