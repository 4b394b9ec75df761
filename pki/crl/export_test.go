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

// ParseCRLs is parseCRLs.
func ParseCRLs(data []byte) (*CRLIndex, error) {
	lists, err := Parse(context.Background(), "test", data)
	return &CRLIndex{lists}, err
}

// ParseCRLsWithin is parseCRLs for its error.
func ParseCRLsWithin(ctx context.Context, data []byte) error {
	_, err := Parse(ctx, "test", data)
	return err
}

// Has looks a serial up in every list.
func (x *CRLIndex) Has(serial *big.Int) bool {
	return slices.ContainsFunc(x.lists, func(c *List) bool {
		_, ok := c.Find(certutil.TrimZeros(serial.Bytes()))
		return ok
	})
}

// Count counts the entries of all lists.
func (x *CRLIndex) Count() (n int) {
	for _, c := range x.lists {
		n += c.Len()
	}
	return n
}

// Indexed counts the places taken in the indexes.
func (x *CRLIndex) Indexed() (n int) {
	for _, c := range x.lists {
		c.Index()
		n += c.taken()
	}
	return n
}

func (c *List) taken() (n int) {
	for _, place := range c.entries.table {
		n += int(min(place, 1))
	}
	return n
}

// Usable says whether no list has a problem of its own.
func (x *CRLIndex) Usable() bool {
	return !slices.ContainsFunc(x.lists, func(c *List) bool { return c.problem != "" })
}

// UTCTimes reads a UTCTime by our short way and by cryptobyte's; ok when each has read it whole.
func UTCTimes(content []byte) (ours, theirs time.Time, oursOK, theirsOK bool) {
	der := append([]byte{byte(cbasn1.UTCTime), byte(len(content))}, content...)
	ours, oursOK = plainUTCTime(der)
	in := cryptobyte.String(der)
	theirsOK = in.ReadASN1UTCTime(&theirs)
	return ours, theirs, oursOK, theirsOK
}
