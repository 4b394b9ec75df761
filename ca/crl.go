package ca

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tlagate/keys"
	"tlagate/pemfile"
	"tlagate/pki"
)

// List is a published CRL or ARL.
type List struct {
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    int
	DER        []byte

	read *pki.CRL // as a stranger reads it
}

// Write puts the list into a file, as PEM or as DER, in place of an older one.
func (l *List) Write(file string, asPEM bool) error {
	write := l.writeDER
	if asPEM {
		write = l.writePEM
	}
	s, err := stage(file, write)
	if err != nil {
		return err
	}
	defer s.Discard()
	return written(file, s.Replace())
}

func (l *List) writeDER(w io.Writer) error {
	_, err := w.Write(l.DER)
	return err
}

func (l *List) writePEM(w io.Writer) error {
	return pem.Encode(w, &pem.Block{Type: pemfile.CRL, Bytes: l.DER})
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

// publish makes a list while the books stay open: a long one takes seconds, and nobody who revokes shall wait for it. So
// its lock is its own, and keeps nothing but other publishers of that list away. No revocation is lost by it:
//
//   - What is in the books before the lock is had is on the list, since the books are read after that.
//   - What is revoked later, while the list is made, may be on it or not. It is in the books and its event is out by
//     the time Revoke returns. Who revoked publishes next, waits for this lock, and then reads the books: that list,
//     with the next number, has it. Whoever is killed between the two leaves it to the next list, as --no-crl does.
//   - thisUpdate is taken before the books are read, so no list claims to know what it does not.
//   - Nothing leaves a list by such a race either: losesNothing wants a reason from the books for everything that does.
func (c *CA) publish(name string, by lister) (list *List, err error) {
	if err := c.keys.warm(by.where, by.cert); err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	err = c.withLock("lock-"+name, func() error {
		if list, err = c.signList(by, c.Public(name+".der")); err != nil {
			return err
		}
		c.reach("signed")
		if err := c.losesNothing(list, c.Public(name+".der"), by.cert); err != nil {
			return err
		}
		return c.place(list, name, by)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	if name == "arl" {
		err = c.traceARL(list)
	}
	return list, err
}

// place records the number, which tells the world that there is a new list, once both files only need to be renamed.
func (c *CA) place(list *List, name string, by lister) error {
	der, err := stage(c.Public(name+".der"), list.writeDER)
	if err != nil {
		return err
	}
	defer der.Discard()
	text, err := stage(c.Public(name+".pem"), list.writePEM)
	if err != nil {
		return err
	}
	defer text.Discard()
	if err := c.store.recordCRL(keyID(by.cert), list.Number, list.ThisUpdate, list.NextUpdate); err != nil {
		return err
	}
	return errors.Join(written(c.Public(name+".der"), der.Replace()), written(c.Public(name+".pem"), text.Replace()))
}

// signList makes the list that comes after the published one.
func (c *CA) signList(by lister, published string) (*List, error) {
	key, err := by.key()
	if err != nil {
		return nil, err
	}
	if err := c.doubt(by.cert, by.validity); err != nil {
		return nil, err
	}
	last, lastUpdate, err := c.store.lastCRL(keyID(by.cert))
	if err != nil {
		return nil, fmt.Errorf("cannot read the last number: %w", err)
	}
	now := c.now()
	if lastUpdate.After(now) { // who ended by then has not ended
		lastUpdate = now
	}
	list := &List{Number: last + 1, ThisUpdate: now, NextUpdate: now.Add(by.validity)}
	entries, err := c.entries(by.cert, lastUpdate, sizeOf(published))
	if err != nil {
		return nil, err
	}
	list.Entries = entries.count
	if err := list.sign(by.cert, key, entries.der); err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return list, list.check(by.cert)
}

// entries gives what an issuer revoked, encoded. An entry stays until it has been on one list after the certificate's end
// (RFC 5280, 3.3). hint is about how many octets are expected.
func (c *CA) entries(issuer *x509.Certificate, lastUpdate time.Time, hint int) (*crlEntries, error) {
	out := newCRLEntries(hint)
	err := c.store.revocations(keyID(issuer), func(r revocation) error {
		if lastUpdate.After(r.expiry) {
			return nil
		}
		return out.add(r.serial, r.at, r.reason)
	})
	c.reach("read")
	return out, err
}

// sizeOf gives the octets of a file; 0 when it is not there.
func sizeOf(file string) int {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// check reads the list as a stranger would, before anyone else does.
func (l *List) check(issuer *x509.Certificate) error {
	var err error
	if l.read, err = pki.ReadCRL(l.DER); err != nil {
		return fmt.Errorf("the list made cannot be read back: %w", err)
	}
	if err := l.read.CheckSignature(issuer); err != nil {
		return fmt.Errorf("the list made has a bad signature: %w", err)
	}
	if l.read.Number().Int64() != l.Number || l.read.Len() != l.Entries {
		return errors.New("the list made does not say what it should")
	}
	return nil
}
