package ca

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"os"
	"time"

	"tlagate/ca/crlwriter"
	"tlagate/ca/store"
	"tlagate/pemfile"
	"tlagate/pki/crl"
)

// List is a published CRL or ARL.
type List struct {
	Number     int64
	ThisUpdate time.Time
	NextUpdate time.Time
	Entries    int
	DER        []byte

	read *crl.List // as a stranger reads it
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

// Lists are the CRL of the issuing CA and the ARL of the root.
type Lists struct {
	*core
	clock *Clock
	due   dueList
}

func newLists(k *core, clock *Clock) *Lists { return &Lists{core: k, clock: clock} }

// PublishCRL signs a new CRL of the issuing CA and puts it into public/.
// It is valid for the period of the settings and two hours more.
func (l *Lists) PublishCRL() (*List, error) { return l.publish("crl", l.issuing, l.settings.crlLife()) }

// PublishARL does the same for the root, whose list is about issuing CAs. It needs the root's key.
func (l *Lists) PublishARL() (*List, error) {
	if err := errors.Join(l.lastOfRoot(), l.approved()); err != nil {
		return nil, fmt.Errorf("cannot publish the arl: %w", err)
	}
	list, err := l.publish("arl", l.root, l.settings.arlLife())
	if err != nil {
		return nil, err
	}
	return list, l.trail.arl(list)
}

// publish makes a list while the books stay open: a long one takes seconds, and revoking must not wait for it. So
// its lock is its own, and keeps nothing but other publishers of that list away. No revocation is lost by it:
//
//   - What is in the books before the lock is taken is on the list, since the books are read after that.
//   - What is revoked later, while the list is made, may be on it or not. It is in the books and its event is out by
//     the time Revoke returns. The program that revoked publishes next, waits for this lock, and then reads the books:
//     that list, with the next number, has it. A program that is killed between the two leaves it to the next list, as
//     --no-crl does.
//   - thisUpdate is taken before the books are read, so no list claims to know what it does not.
//   - Nothing leaves a list by such a race either: losesNothing requires a reason from the books for everything that
//     does.
func (l *Lists) publish(name string, by *issuer, validity time.Duration) (list *List, err error) {
	if err := by.warm(); err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	err = l.locks.with("lock-"+name, func() error {
		if list, err = l.sign(by, validity, l.public(name+".der")); err != nil {
			return err
		}
		l.reach("signed")
		if err := l.losesNothing(list, l.public(name+".der"), by); err != nil {
			return err
		}
		return l.place(list, name, by)
	})
	if err != nil {
		return nil, fmt.Errorf("cannot publish the %s: %w", name, err)
	}
	return list, nil
}

// place records the number, which tells the world that there is a new list, once both files only need to be renamed.
func (l *Lists) place(list *List, name string, by *issuer) error {
	der, err := stage(l.public(name+".der"), list.writeDER)
	if err != nil {
		return err
	}
	defer der.Discard()
	text, err := stage(l.public(name+".pem"), list.writePEM)
	if err != nil {
		return err
	}
	defer text.Discard()
	if err := l.store.RecordCRL(by.id(), list.Number, list.ThisUpdate, list.NextUpdate); err != nil {
		return err
	}
	return errors.Join(written(l.public(name+".der"), der.Replace()), written(l.public(name+".pem"), text.Replace()))
}

// sign makes the list that comes after the published one.
func (l *Lists) sign(by *issuer, validity time.Duration, published string) (*List, error) {
	key, err := by.key()
	if err != nil {
		return nil, err
	}
	if err := checkKey(key.Public()); err != nil {
		return nil, err
	}
	if err := l.clock.doubt(by, validity); err != nil {
		return nil, err
	}
	last, lastUpdate, err := l.store.LastCRL(by.id())
	if err != nil {
		return nil, fmt.Errorf("cannot read the last number: %w", err)
	}
	now := l.now()
	if lastUpdate.After(now) { // what had ended by then has not ended
		lastUpdate = now
	}
	list := &List{Number: last + 1, ThisUpdate: now, NextUpdate: now.Add(validity)}
	entries, err := l.entries(by, lastUpdate, sizeOf(published))
	if err != nil {
		return nil, err
	}
	list.Entries = entries.Len()
	header := crlwriter.Header{Number: list.Number, ThisUpdate: list.ThisUpdate, NextUpdate: list.NextUpdate}
	if list.DER, err = header.Sign(by.cert, key, entries); err != nil {
		return nil, fmt.Errorf("cannot sign: %w", err)
	}
	return list, list.check(by.cert)
}

// entries returns what an issuer revoked, encoded. An entry stays until it has been on one list after the certificate's
// end (RFC 5280, 3.3). hint is about how many octets are expected.
func (l *Lists) entries(by *issuer, lastUpdate time.Time, hint int) (*crlwriter.Entries, error) {
	out := crlwriter.NewEntries(hint)
	err := l.store.Revocations(by.id(), func(r store.Revocation) error {
		if lastUpdate.After(r.Ends) {
			return nil
		}
		return out.Add(r.Serial, r.At, r.Reason)
	})
	l.reach("read")
	return out, err
}

// sizeOf returns the size of a file in octets; 0 when it is not there.
func sizeOf(file string) int {
	info, err := os.Stat(file)
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// check reads the list as a stranger would, before it is published.
func (l *List) check(issuer *x509.Certificate) error {
	var err error
	if l.read, err = crl.Read(l.DER); err != nil {
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
