package ca

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"tlagate/ca/store"
	"tlagate/pki"
	"tlagate/pki/crl"
)

// CRLDue returns when the next CRL should be published: a period after the last. If the published file is missing, or
// is not the last that was signed, one is due at once; likewise after a list from the future, which PublishCRL then
// reports.
func (l *Lists) CRLDue() (time.Time, error) {
	number, last, err := l.store.LastCRL(l.issuing.id())
	if err != nil {
		return time.Time{}, err
	}
	published, err := l.due.number(l.public("crl.der"), l.issuing)
	if err != nil {
		return time.Time{}, err
	}
	if published != number || last.After(l.now()) {
		return l.now(), nil
	}
	return last.UTC().Add(time.Duration(l.settings.CRLPeriod)), nil
}

// dueList is the published CRL as CRLDue last read it. CRLDue is called every minute, so a long list is not read again
// while its file stays the same.
type dueList struct {
	mu   sync.Mutex     // guards the rest
	file *pki.FileWatch // nil = not read yet
	last int64          // its number
}

// number returns the number of the CRL in a file; -1 when there is none, or no good one.
func (d *dueList) number(file string, by *issuer) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.file == nil {
		d.file = pki.NewFileWatch(file)
	} else if !d.file.Changed() {
		return d.last, nil
	}
	d.last = -1
	der, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return d.last, nil
	}
	if err != nil {
		d.file = nil
		return 0, err
	}
	if list, err := crl.Read(der); err == nil && list.Number().IsInt64() && list.CheckSignature(by.cert) == nil {
		d.last = list.Number().Int64()
	}
	return d.last, nil
}

// ARLEnd returns when the published ARL ends. Only the root's key can make another.
func (l *Lists) ARLEnd() (time.Time, error) {
	list, err := l.ARL()
	if err != nil {
		return time.Time{}, err
	}
	return list.NextUpdate, nil
}

// CRL returns the published list of the issuing CA.
func (l *Lists) CRL() (*List, error) { return l.published("crl.der", l.issuing) }

// ARL returns the published list of the root.
func (l *Lists) ARL() (*List, error) { return l.published("arl.der", l.root) }

// Unlisted returns how many certificates the published list of that kind shows otherwise than the books: revoked and
// not on it, or released and still on it.
func (l *Lists) Unlisted(arl bool) (int, error) {
	list, by := l.CRL, l.issuing
	if arl {
		list, by = l.ARL, l.root
	}
	published, err := list()
	if err != nil {
		return 0, err
	}
	missing, listed := 0, 0
	err = l.store.Revocations(by.id(), func(r store.Revocation) error {
		switch {
		case published.read.Has(r.Serial):
			listed++
		case !published.ThisUpdate.After(r.Ends):
			missing++
		}
		return nil
	})
	return missing + max(0, published.Entries-listed), err
}

func (l *Lists) published(name string, by *issuer) (*List, error) {
	der, err := os.ReadFile(l.public(name))
	if err != nil {
		return nil, fmt.Errorf("cannot read a published list: %w", err)
	}
	list, err := crl.Read(der)
	if err == nil {
		err = list.CheckSignature(by.cert)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot use %s: %w", l.public(name), err)
	}
	return &List{Number: list.Number().Int64(), ThisUpdate: list.ThisUpdate(), NextUpdate: list.NextUpdate(),
		Entries: list.Len(), DER: der, read: list}, nil
}

// Life returns how long a CRL is valid: what is not on a valid one yet happened no longer ago than that.
func (l *Lists) Life() time.Duration { return l.settings.crlLife() }
