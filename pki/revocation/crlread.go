package revocation

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// CRL is one complete revocation list as read, for who publishes it; a Trust judges lists by itself. It takes a
// sixth of the memory of an x509.RevocationList.
type CRL struct {
	c *crl
}

// ReadCRL reads DER. It looks at form only: CheckSignature is the caller's.
func ReadCRL(der []byte) (*CRL, error) {
	c, err := readCRL(context.Background(), "list", der)
	if err != nil {
		return nil, err
	}
	if c.problem != "" {
		return nil, errors.New(c.problem)
	}
	return &CRL{c: c}, nil
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
	_, found := l.c.find(serial.Bytes())
	return found
}

// Each calls f with every serial number and its CRLReason (RFC 5280 section 5.3.1; 0 when none is stated) until an
// error, which it returns. The number is good until f returns.
func (l *CRL) Each(f func(serial *big.Int, reason int) error) error {
	serial := new(big.Int)
	for in := cryptobyte.String(l.c.entries.der); !in.Empty(); {
		e, err := l.c.entries.read(&in)
		if err != nil {
			return err
		}
		if err := f(serial.SetBytes(e.serial), e.reason); err != nil {
			return err
		}
	}
	return nil
}
