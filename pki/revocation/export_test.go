package revocation

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"tlagate/pki"
)

// CRLIndex is a parsed CRL for tests.
type CRLIndex struct{ lists []*crl }

// ParseCRLs is parseCRLs.
func ParseCRLs(data []byte) (*CRLIndex, error) {
	lists, err := parseCRLs(context.Background(), "test", data)
	return &CRLIndex{lists}, err
}

// ParseCRLsWithin is parseCRLs for its error.
func ParseCRLsWithin(ctx context.Context, data []byte) error {
	_, err := parseCRLs(ctx, "test", data)
	return err
}

// Has looks a serial up in every list.
func (x *CRLIndex) Has(serial *big.Int) bool {
	return slices.ContainsFunc(x.lists, func(c *crl) bool {
		_, ok := c.find(trimZeros(serial.Bytes()))
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

// Indexed counts the places taken in the indexes.
func (x *CRLIndex) Indexed() (n int) {
	for _, c := range x.lists {
		c.index()
		n += c.taken()
	}
	return n
}

// Indexed counts the places taken in the indexes of a store's lists, as they are.
func Indexed(t *Store) (n int) {
	for _, c := range t.snap.Load().crls {
		n += c.taken()
	}
	return n
}

func (c *crl) taken() (n int) {
	for _, place := range c.entries.table {
		n += int(min(place, 1))
	}
	return n
}

// Usable says whether no list has a problem of its own.
func (x *CRLIndex) Usable() bool {
	return !slices.ContainsFunc(x.lists, func(c *crl) bool { return c.problem != "" })
}

// NextFetch is when a URL is read again.
func NextFetch(every time.Duration, now time.Time, held *CRLIndex, failures int) time.Duration {
	r := &urlReader{cfg: Config{Fetch: every}}
	return r.next(now, held.lists, failures)
}

// OCSPRequests encodes requests about a certificate, by hash, with a nonce where there is room for one.
func OCSPRequests(issuer, cert *x509.Certificate) map[crypto.Hash][]byte {
	made := map[crypto.Hash][]byte{}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		made[h] = ocspRequest(newCertID(h, issuer, trimZeros(cert.SerialNumber.Bytes())), make([]byte, nonceSize))
	}
	return made
}

// SignedAlike says whether two OCSP answers have the same signed content.
func SignedAlike(a, b []byte) bool {
	x, errX := parseAnswer(a)
	y, errY := parseAnswer(b)
	return errX == nil && errY == nil && bytes.Equal(x.tbs, y.tbs)
}

// Believes says whether an OCSP answer passes as one about cert, its dates apart.
func Believes(t *Store, der []byte, issuer, cert *x509.Certificate) bool {
	read, err := parseAnswer(der)
	if err != nil {
		return false
	}
	_, refusal := t.believe(read, origin{kind: pki.SourceStaple}, aboutCert(issuer, cert), nil, time.Now())
	return refusal == nil
}

// UTCTimes reads a UTCTime by our short way and by cryptobyte's; ok when each has read it whole.
func UTCTimes(content []byte) (ours, theirs time.Time, oursOK, theirsOK bool) {
	der := append([]byte{byte(cbasn1.UTCTime), byte(len(content))}, content...)
	ours, oursOK = plainUTCTime(der)
	in := cryptobyte.String(der)
	theirsOK = in.ReadASN1UTCTime(&theirs)
	return ours, theirs, oursOK, theirsOK
}
