package ca

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"tlagate/pki"
)

// CRLDue says when the next CRL should be published: a period after the last. A published file that is missing,
// or is not the last that was signed, is due at once.
func (c *CA) CRLDue() (time.Time, error) {
	number, last, err := c.store.lastCRL(keyID(c.Issuing))
	if err != nil {
		return time.Time{}, err
	}
	der, err := os.ReadFile(c.Public("crl.der"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, err
	}
	list, err := pki.ReadCRL(der)
	if err != nil || list.Number().Int64() != number || list.CheckSignature(c.Issuing) != nil {
		return c.now(), nil
	}
	return last.UTC().Add(time.Duration(c.Settings.CRLPeriod)), nil
}

// ARLEnd says until when the published ARL is good. Only the root's key can make another.
func (c *CA) ARLEnd() (time.Time, error) {
	der, err := os.ReadFile(c.Public("arl.der"))
	if err != nil {
		return time.Time{}, err
	}
	list, err := pki.ReadCRL(der)
	if err != nil {
		return time.Time{}, err
	}
	return list.NextUpdate(), nil
}

// ListLife is how long a CRL is good: what it does not say yet happened no longer ago.
func (c *CA) ListLife() time.Duration { return time.Duration(c.Settings.CRLPeriod) + crlMargin }
