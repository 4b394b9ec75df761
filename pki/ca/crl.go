package ca

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"

	"tlagate/keys"
	"tlagate/pki"
)

// List is a published CRL or ARL.
type List struct {
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    int
	DER        []byte
}

// PEM gives the list as PEM.
func (l *List) PEM() []byte { return pemOf("X509 CRL", l.DER) }

// Write puts the list into a file, as PEM or as DER, in place of an older one.
func (l *List) Write(file string, asPEM bool) error {
	if asPEM {
		return Replace(file, l.PEM(), modePublic)
	}
	return Replace(file, l.DER, modePublic)
}

// PublishCRL signs a new CRL of the issuing CA and puts it into public/.
// It is valid for the period of the settings and two hours more.
func (c *CA) PublishCRL() (*List, error) {
	return c.publish("crl", lister{
		cert:     c.Issuing,
		key:      c.issuingKey,
		where:    c.keys.issuing,
		validity: time.Duration(c.Settings.CRLPeriod) + crlMargin,
	})
}

// PublishARL does the same for the root, whose list is about issuing CAs. It needs the root's key.
func (c *CA) PublishARL() (*List, error) {
	return c.publish("arl", lister{
		cert:     c.Root,
		key:      c.rootKey,
		where:    c.keys.root,
		validity: time.Duration(c.Settings.ARLPeriod) + crlMargin,
	})
}

// lister is a CA as far as its lists are concerned.
type lister struct {
	cert     *x509.Certificate
	key      func() (crypto.Signer, error)
	where    keys.Spec
	validity time.Duration
}

func (c *CA) publish(name string, by lister) (list *List, err error) {
	if err := c.keys.warm(by.where, by.cert); err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	err = c.locked(func() error {
		if list, err = c.signList(by); err != nil {
			return err
		}
		if err := c.losesNothing(list, c.Public(name+".der"), by.cert); err != nil {
			return err
		}
		if err := c.store.recordCRL(keyID(by.cert), list.Number, list.ThisUpdate, list.NextUpdate); err != nil {
			return err
		}
		return errors.Join(list.Write(c.Public(name+".der"), false), list.Write(c.Public(name+".pem"), true))
	})
	if err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	return list, nil
}

func (c *CA) signList(by lister) (*List, error) {
	key, err := by.key()
	if err != nil {
		return nil, err
	}
	last, lastUpdate, err := c.store.lastCRL(keyID(by.cert))
	if err != nil {
		return nil, fmt.Errorf("cannot read the last number: %w", err)
	}
	now := c.now()
	if now.Before(lastUpdate) {
		return nil, fmt.Errorf("the clock says %s, before the last one's %s: set the clock", now, lastUpdate.UTC())
	}
	entries, err := c.entries(by.cert, lastUpdate)
	if err != nil {
		return nil, err
	}
	list := &List{Number: last + 1, ThisUpdate: now, NextUpdate: now.Add(by.validity), Entries: len(entries)}
	if err := list.sign(by.cert, key, entries); err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return list, list.check(by.cert)
}

func (l *List) sign(issuer *x509.Certificate, key crypto.Signer, entries []x509.RevocationListEntry) (err error) {
	l.DER, err = x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number:                    big.NewInt(l.Number),
		ThisUpdate:                l.ThisUpdate,
		NextUpdate:                l.NextUpdate,
		RevokedCertificateEntries: entries,
	}, issuer, key)
	return err
}

// entries gives what an issuer revoked. An entry stays until it has been on one list
// after the certificate's end (RFC 5280, 3.3).
func (c *CA) entries(issuer *x509.Certificate, lastUpdate time.Time) ([]x509.RevocationListEntry, error) {
	rows, err := c.store.revocations(keyID(issuer))
	if err != nil {
		return nil, err
	}
	out := make([]x509.RevocationListEntry, 0, len(rows))
	for _, r := range rows {
		serial, ok := new(big.Int).SetString(r.Serial, 10)
		if !ok {
			return nil, fmt.Errorf("cannot understand the database's serial number %q", r.Serial)
		}
		if !lastUpdate.After(r.Expiry) {
			out = append(out, x509.RevocationListEntry{SerialNumber: serial, RevocationTime: r.At.UTC(), ReasonCode: r.Reason})
		}
	}
	return out, nil
}

// check reads the list as a stranger would, before anyone else does.
func (l *List) check(issuer *x509.Certificate) error {
	parsed, err := pki.ReadCRL(l.DER)
	if err != nil {
		return fmt.Errorf("the list made cannot be read back: %w", err)
	}
	if err := parsed.CheckSignature(issuer); err != nil {
		return fmt.Errorf("the list made has a bad signature: %w", err)
	}
	if parsed.Number().Int64() != l.Number || parsed.Len() != l.Entries {
		return errors.New("the list made does not say what it should")
	}
	return nil
}
