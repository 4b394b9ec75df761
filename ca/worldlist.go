package ca

import (
	"crypto/x509"
	"fmt"
	"math"
	"os"
	"time"

	"tlagate/ca/store"
	"tlagate/pemfile"
	"tlagate/pki/crl"
)

// worldList is a list that somebody may have believed.
type worldList struct {
	store.Published
	source string
	given  bool // by the operator; else from public/
	list   List
}

// readLists reads the lists given, and those that came with the books: of a list that was signed just after the
// books were copied they know nothing.
func (c *Recovery) readLists(given []Published) (lists []*worldList, err error) {
	for _, p := range given {
		l, err := c.readList(p)
		if err != nil {
			return nil, fmt.Errorf("cannot use the published list %s: %w", p.Source, err)
		}
		l.given = true
		lists = append(lists, l)
	}
	for _, name := range []string{"crl.der", "arl.der"} {
		der, err := os.ReadFile(c.public(name))
		if err != nil {
			return nil, fmt.Errorf("cannot read a list of the CA: %w", err)
		}
		l, err := c.readList(Published{c.public(name), der})
		if err != nil {
			return nil, fmt.Errorf("cannot use the list %s: %w", c.public(name), err)
		}
		lists = append(lists, l)
	}
	return lists, nil
}

func (c *Recovery) readList(p Published) (*worldList, error) {
	der, err := pemfile.One(p.Data, pemfile.CRL)
	if err != nil {
		return nil, err
	}
	checked, err := crl.Read(der)
	if err != nil {
		return nil, err
	}
	issuer := c.issuing.cert
	if checked.CheckSignature(c.root.cert) == nil {
		issuer = c.root.cert
	} else if err := checked.CheckSignature(c.issuing.cert); err != nil {
		return nil, fmt.Errorf("it is not of this CA: %w", err)
	}
	number := checked.Number()
	if !number.IsInt64() || number.Int64() > math.MaxInt64-2*store.LeapNumber {
		return nil, fmt.Errorf("its number %s is too high", number)
	}
	if checked.ThisUpdate().After(c.now().Add(clockAhead)) {
		return nil, fmt.Errorf("it is of %s, and it is %s here: set the clock",
			checked.ThisUpdate().Format(time.RFC3339), c.now().Format(time.RFC3339))
	}
	parsed, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	l := &worldList{source: p.Source, list: List{Number: number.Int64(), ThisUpdate: checked.ThisUpdate(),
		NextUpdate: checked.NextUpdate(), Entries: checked.Len(), DER: der}}
	l.Published = store.Published{Issuer: issuer, IsARL: issuer == c.root.cert, Number: l.list.Number,
		ThisUpdate: l.list.ThisUpdate, NextUpdate: l.list.NextUpdate, Entries: parsed.RevokedCertificateEntries}
	return l, nil
}

// clockAhead is how far ahead of our clock a list may begin.
const clockAhead = 5 * time.Minute
