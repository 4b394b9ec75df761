package revocation

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"reflect"
	"time"

	"tlagate/pki"
	"tlagate/pki/crl"
	"tlagate/pki/internal/certutil"
)

// Indexed returns how many positions are in use in the indexes of a store's lists, without making any.
func Indexed(t *Store) (n int) {
	for _, c := range t.snap.Load().crls {
		table := reflect.ValueOf(c).Elem().FieldByName("entries").FieldByName("table")
		for i := range table.Len() {
			n += int(min(table.Index(i).Uint(), 1))
		}
	}
	return n
}

// NextFetch returns how long it is until a URL is read again.
func NextFetch(every time.Duration, now time.Time, held []*crl.List, failures int) time.Duration {
	r := &urlReader{cfg: Config{Fetch: every}}
	return r.next(now, held, failures)
}

// OCSPRequests returns encoded requests about a certificate with a nonce, by the hash of their certID.
func OCSPRequests(issuer, cert *x509.Certificate) map[crypto.Hash][]byte {
	made := map[crypto.Hash][]byte{}
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		made[h] = ocspRequest(newCertID(h, issuer, certutil.TrimZeros(cert.SerialNumber.Bytes())),
			make([]byte, nonceSize))
	}
	return made
}

// SignedAlike reports whether two OCSP answers have the same signed content.
func SignedAlike(a, b []byte) bool {
	x, errX := parseAnswer(a)
	y, errY := parseAnswer(b)
	return errX == nil && errY == nil && bytes.Equal(x.tbs, y.tbs)
}

// Believes reports whether an OCSP answer is believed about cert, its dates apart.
func Believes(t *Store, der []byte, issuer, cert *x509.Certificate) bool {
	read, err := parseAnswer(der)
	if err != nil {
		return false
	}
	_, refusal := t.believe(read, origin{kind: pki.SourceStaple}, aboutCert(issuer, cert), nil, time.Now())
	return refusal == nil
}
