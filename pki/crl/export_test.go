package crl

import (
	"context"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/pki/internal/certutil"
)

// CRLIndex is a parsed CRL for tests.
type CRLIndex struct{ lists []*List }

// ParseCRLs is Parse.
func ParseCRLs(data []byte) (*CRLIndex, error) {
	lists, err := Parse(context.Background(), "test", data)
	return &CRLIndex{lists}, err
}

// ParseCRLsWithin is Parse until ctx ends; it returns only the error.
func ParseCRLsWithin(ctx context.Context, data []byte) error {
	_, err := Parse(ctx, "test", data)
	return err
}

// Has reports whether any of the lists has a serial.
func (x *CRLIndex) Has(serial *big.Int) bool {
	return slices.ContainsFunc(x.lists, func(c *List) bool {
		_, ok := c.Find(certutil.TrimZeros(serial.Bytes()))
		return ok
	})
}

// Count returns the number of entries of all lists.
func (x *CRLIndex) Count() (n int) {
	for _, c := range x.lists {
		n += c.Len()
	}
	return n
}

// Indexed returns how many positions of the indexes are in use.
func (x *CRLIndex) Indexed() (n int) {
	for _, c := range x.lists {
		c.Index()
		n += c.used()
	}
	return n
}

func (c *List) used() (n int) {
	for _, offset := range c.entries.table {
		n += int(min(offset, 1))
	}
	return n
}

// Usable reports whether no list has a problem of its own.
func (x *CRLIndex) Usable() bool {
	return !slices.ContainsFunc(x.lists, func(c *List) bool { return c.problem != "" })
}

// UTCTimes reads a UTCTime with our fast path and with cryptobyte; each OK means that it was read whole.
func UTCTimes(content []byte) (ours, theirs time.Time, oursOK, theirsOK bool) {
	der := append([]byte{byte(cbasn1.UTCTime), byte(len(content))}, content...)
	ours, oursOK = plainUTCTime(der)
	in := cryptobyte.String(der)
	theirsOK = in.ReadASN1UTCTime(&theirs)
	return ours, theirs, oursOK, theirsOK
}
