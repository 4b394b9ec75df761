package pki

import (
	"bytes"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// CRL is one complete revocation list as read, for who publishes it; a Trust judges lists by itself. It takes a
// sixth of the memory of an x509.RevocationList.
type CRL struct{ c *crl }

// ReadCRL reads DER. It looks at form only: CheckSignature is the caller's.
func ReadCRL(der []byte) (*CRL, error) {
	c, err := parseCRL("list", der)
	if err != nil {
		return nil, err
	}
	if c.problem != "" {
		return nil, errors.New(c.problem)
	}
	return &CRL{c}, nil
}

// CheckSignature wants issuer, by its name and its key identifier, to have signed the list.
func (l *CRL) CheckSignature(issuer *x509.Certificate) error {
	if !bytes.Equal(l.c.list.RawIssuer, issuer.RawSubject) {
		return errors.New("it is in another CA's name")
	}
	if refusal := l.c.checkIssuer(issuer); refusal != nil {
		return refusal
	}
	return nil
}

// Number gives the CRLNumber.
func (l *CRL) Number() *big.Int { return l.c.number() }

// ThisUpdate gives when it was made.
func (l *CRL) ThisUpdate() time.Time { return l.c.list.ThisUpdate }

// NextUpdate gives its end.
func (l *CRL) NextUpdate() time.Time { return l.c.list.NextUpdate }

// Len gives the number of entries.
func (l *CRL) Len() int { return l.c.entries.count }

// Has says whether a serial number is on it.
func (l *CRL) Has(serial *big.Int) bool {
	_, found := l.c.entries.find(serial.Bytes())
	return found
}

// Reason gives the CRLReason of a serial number that is on it (RFC 5280 section 5.3.1); 0 when none is stated.
func (l *CRL) Reason(serial *big.Int) int {
	found, _ := l.c.entries.find(serial.Bytes())
	return found.reason
}

// Each calls f with every serial number until an error, which it returns.
func (l *CRL) Each(f func(serial *big.Int) error) error {
	for in := cryptobyte.String(l.c.entries.der); !in.Empty(); {
		e, err := l.c.entries.read(&in)
		if err != nil {
			return err
		}
		if err := f(new(big.Int).SetBytes(e.serial)); err != nil {
			return err
		}
	}
	return nil
}
