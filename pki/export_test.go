package pki

import (
	"crypto/tls"
	"math/big"
	"slices"
	"time"
)

// CRLIndex is a parsed CRL for tests.
type CRLIndex struct{ lists []*crl }

// ParseCRLs is parseCRLs.
func ParseCRLs(data []byte) (*CRLIndex, error) {
	lists, err := parseCRLs("test", data)
	return &CRLIndex{lists}, err
}

// Has looks a serial up in every list.
func (x *CRLIndex) Has(serial *big.Int) bool {
	return slices.ContainsFunc(x.lists, func(c *crl) bool {
		_, ok := c.entries.find(trimZeros(serial.Bytes()))
		return ok
	})
}

// Count counts the entries of all lists.
func (x *CRLIndex) Count() (n int) {
	for _, c := range x.lists {
		n += c.entries.count
	}
	return n
}

// Usable says whether no list has a problem of its own.
func (x *CRLIndex) Usable() bool {
	return !slices.ContainsFunc(x.lists, func(c *crl) bool { return c.problem != "" })
}

// NextFetch is when a URL is read again.
func NextFetch(every time.Duration, now time.Time, held *CRLIndex, failures int) time.Duration {
	r := &urlReader{cfg: TrustConfig{Fetch: every}}
	return r.next(now, held.lists, failures)
}

// Exported for tests.
var (
	TLSSuites        = tlsSuites
	TLSGroups        = tlsGroups
	ParseServerHello = parseServerHello
	Authenticated    = authenticated
	PartyConfig      = func(p *Party) *tls.Config { return (&handshake{party: p, alpn: ALPNCard}).config() }
)
