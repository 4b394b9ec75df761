package ca

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tlagate/pki"
	"tlagate/pki/crl"
)

// CRLDue says when the next CRL should be published: a period after the last. A published file that is missing,
// or is not the last that was signed, is due at once; so is one after
// a list of the future, which publishing then tells.
func (c *CA) CRLDue() (time.Time, error) {
	number, last, err := c.store.lastCRL(keyID(c.Issuing))
	if err != nil {
		return time.Time{}, err
	}
	published, err := c.publishedNumber()
	if err != nil {
		return time.Time{}, err
	}
	if published != number || last.After(c.now()) {
		return c.now(), nil
	}
	return last.UTC().Add(time.Duration(c.Settings.CRLPeriod)), nil
}

// publishedNumber gives the number of the CRL that is published; -1 when there is none, or no good one. It is asked for
// every minute, so a long list is not read again while its file stays the same.
func (c *CA) publishedNumber() (int64, error) {
	c.due.Lock()
	defer c.due.Unlock()
	if c.dueFile == nil {
		c.dueFile = pki.NewFileWatch(c.Public("crl.der"))
	} else if !c.dueFile.Changed() {
		return c.dueNumber, nil
	}
	c.dueNumber = -1
	der, err := os.ReadFile(c.Public("crl.der"))
	if errors.Is(err, fs.ErrNotExist) {
		return c.dueNumber, nil
	}
	if err != nil {
		c.dueFile = nil
		return 0, err
	}
	if list, err := crl.Read(der); err == nil && list.Number().IsInt64() && list.CheckSignature(c.Issuing) == nil {
		c.dueNumber = list.Number().Int64()
	}
	return c.dueNumber, nil
}

// ARLEnd says until when the published ARL is good. Only the root's key can make another.
func (c *CA) ARLEnd() (time.Time, error) {
	list, err := c.ARL()
	if err != nil {
		return time.Time{}, err
	}
	return list.NextUpdate, nil
}

// CRL and ARL give the published lists.
func (c *CA) CRL() (*List, error) { return c.published("crl.der", c.Issuing) }

// ARL is the root's list.
func (c *CA) ARL() (*List, error) { return c.published("arl.der", c.Root) }

func (c *CA) published(name string, issuer *x509.Certificate) (*List, error) {
	der, err := os.ReadFile(c.Public(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read a published list: %w", err)
	}
	list, err := crl.Read(der)
	if err == nil {
		err = list.CheckSignature(issuer)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", c.Public(name), err)
	}
	return &List{Number: list.Number().Int64(), ThisUpdate: list.ThisUpdate(), NextUpdate: list.NextUpdate(), Entries: list.Len(), DER: der, read: list}, nil
}

// ListLife is how long a CRL is good: what it does not say yet happened no longer ago.
func (c *CA) ListLife() time.Duration { return time.Duration(c.Settings.CRLPeriod) + crlMargin }
