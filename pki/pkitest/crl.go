package pkitest

import (
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

// Revoke puts certificates on ca's next CRLs (keyCompromise).
func (ca *CA) Revoke(certs ...*x509.Certificate) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	for _, c := range certs {
		ca.revoked = append(ca.revoked, x509.RevocationListEntry{
			SerialNumber: c.SerialNumber, RevocationTime: time.Now().Add(-time.Minute), ReasonCode: 1,
		})
	}
}

// CRLOption changes a CRL before it is signed; most options are defects.
type CRLOption func(t testing.TB, s *crlSpec)

type crlSpec struct {
	tbs    crlTBS
	number int64 // -1 = none
	aki    []byte
	extra  []pkix.Extension
	signer *CA
	spoil  bool
}

// crlTBS mirrors RFC 5280 section 5.1.
type crlTBS struct {
	Version    int `asn1:"optional,default:0"`
	Algorithm  pkix.AlgorithmIdentifier
	Issuer     asn1.RawValue
	ThisUpdate time.Time
	NextUpdate time.Time        `asn1:"optional,omitempty"`
	Revoked    []crlEntry       `asn1:"optional,omitempty"`
	Extensions []pkix.Extension `asn1:"optional,omitempty,explicit,tag:0"`
}

type crlEntry struct {
	Serial     *big.Int
	Date       time.Time
	Extensions []pkix.Extension `asn1:"optional,omitempty"`
}

// CRL returns ca's next CRL (DER): its number is one higher, it began a minute ago and ends in 26 h.
func (ca *CA) CRL(opts ...CRLOption) []byte {
	ca.t.Helper()
	s := ca.crlSpec()
	for _, o := range opts {
		o(ca.t, s)
	}
	s.tbs.Algorithm = crlAlgorithm(s.signer)
	s.tbs.Extensions = s.extensions(ca.t)
	der := sign(ca.t, marshal(ca.t, s.tbs), s.tbs.Algorithm, s.signer.Key)
	if s.spoil {
		der[len(der)-1] ^= 1
	}
	return der
}

func (ca *CA) crlSpec() *crlSpec {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.number++
	now := time.Now().UTC().Truncate(time.Second)
	s := &crlSpec{number: ca.number, aki: ca.Cert.SubjectKeyId, signer: ca}
	s.tbs = crlTBS{
		Version: 1, Issuer: asn1.RawValue{FullBytes: ca.Cert.RawSubject},
		ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(26 * time.Hour),
	}
	for _, e := range ca.revoked {
		s.tbs.Revoked = append(s.tbs.Revoked, newEntry(e.SerialNumber, e.RevocationTime, e.ReasonCode))
	}
	return s
}

func newEntry(serial *big.Int, at time.Time, reason int) crlEntry {
	value, _ := asn1.Marshal(asn1.Enumerated(reason))
	return crlEntry{serial, at.UTC().Truncate(time.Second),
		[]pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 21}, Value: value}}}
}

func (s *crlSpec) extensions(t testing.TB) []pkix.Extension {
	var exts []pkix.Extension
	if s.aki != nil {
		id := asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: s.aki}
		exts = append(exts, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 35},
			Value: marshal(t, []asn1.RawValue{id})})
	}
	if s.number >= 0 {
		exts = append(exts, pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 20}, Value: marshal(t, s.number)})
	}
	return append(exts, s.extra...)
}

// Sign returns a signed object of any content: tbs with ca's signature (SHA-256), the algorithm that tbs must name.
func (ca *CA) Sign(t testing.TB, tbs []byte) []byte {
	t.Helper()
	return sign(t, tbs, crlAlgorithm(ca), ca.Key)
}

func crlAlgorithm(ca *CA) pkix.AlgorithmIdentifier {
	if _, ok := ca.Key.(*ecdsa.PrivateKey); ok {
		return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}}
	}
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11},
		Parameters: asn1.NullRawValue}
}

// CRLValid sets the dates, counted from now.
func CRLValid(from, to time.Duration) CRLOption {
	return func(_ testing.TB, s *crlSpec) {
		now := time.Now().UTC().Truncate(time.Second)
		s.tbs.ThisUpdate, s.tbs.NextUpdate = now.Add(from), now.Add(to)
	}
}

// CRLStale dates the CRL so that it ended an hour ago.
func CRLStale() CRLOption { return CRLValid(-27*time.Hour, -time.Hour) }

// CRLFuture dates the CRL so that it begins in an hour.
func CRLFuture() CRLOption { return CRLValid(time.Hour, 27*time.Hour) }

// CRLNumber sets the number; -1 leaves it out.
func CRLNumber(n int64) CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.number = n }
}

// CRLHugeNumber adds a CRLNumber of so many octets, beside the one of CRLNumber.
func CRLHugeNumber(octets int) CRLOption {
	value, _ := asn1.Marshal(new(big.Int).Lsh(big.NewInt(1), uint(8*octets)))
	return CRLExtension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 20}, Value: value})
}

// CRLBadSignature spoils the signature.
func CRLBadSignature() CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.spoil = true }
}

// CRLSignedBy makes another CA sign in ca's name, with its own authority key identifier.
func CRLSignedBy(other *CA) CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.signer, s.aki = other, other.Cert.SubjectKeyId }
}

// CRLNoAKI leaves out the authority key identifier.
func CRLNoAKI() CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.aki = nil }
}

// CRLNoNextUpdate leaves out nextUpdate.
func CRLNoNextUpdate() CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.tbs.NextUpdate = time.Time{} }
}

// CRLExtension adds an extension.
func CRLExtension(e pkix.Extension) CRLOption {
	return func(_ testing.TB, s *crlSpec) { s.extra = append(s.extra, e) }
}

// CRLUnknownCritical adds a critical extension that no program knows.
func CRLUnknownCritical() CRLOption { return CRLExtension(unknownExtension(true)) }

// CRLDelta marks the CRL as a delta to number base.
func CRLDelta(base int64) CRLOption {
	value, _ := asn1.Marshal(base)
	return CRLExtension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: value})
}

// IDP is an issuing distribution point (RFC 5280 section 5.2.5).
type IDP struct {
	URL                                        string
	OnlyUser, OnlyCA, Indirect, OnlyAttributes bool
	SomeReasons                                bool
}

// CRLWithIDP adds a critical issuing distribution point.
func CRLWithIDP(p IDP) CRLOption {
	return CRLExtension(pkix.Extension{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true, Value: p.der()})
}

func (p IDP) der() []byte {
	ctx := func(tag int, compound bool, b []byte) asn1.RawValue {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag, IsCompound: compound, Bytes: b}
	}
	raw := func(v asn1.RawValue) []byte { b, _ := asn1.Marshal(v); return b }
	var fields []asn1.RawValue
	if p.URL != "" {
		fullName := raw(ctx(0, true, raw(ctx(6, false, []byte(p.URL)))))
		fields = append(fields, ctx(0, true, fullName))
	}
	for _, f := range []struct {
		tag int
		on  bool
	}{{1, p.OnlyUser}, {2, p.OnlyCA}, {3, false}, {4, p.Indirect}, {5, p.OnlyAttributes}} {
		if f.tag == 3 && p.SomeReasons {
			fields = append(fields, ctx(3, false, []byte{6, 0x40}))
		}
		if f.on {
			fields = append(fields, ctx(f.tag, false, []byte{0xff}))
		}
	}
	der, _ := asn1.Marshal(fields)
	return der
}

// Million returns how many entries the benchmarks of long lists have: a million, or a hundredth of it with -short.
func Million() int {
	if testing.Short() {
		return 10_000
	}
	return 1_000_000
}

// CRLEntries adds n random serials (for size tests).
func CRLEntries(n int) CRLOption {
	return func(_ testing.TB, s *crlSpec) {
		at := time.Now()
		for range n {
			s.tbs.Revoked = append(s.tbs.Revoked, newEntry(randomSerial(), at, 5))
		}
	}
}

// CRLEntriesOf adds an entry for one serial with each of these reasons (CRLReason).
func CRLEntriesOf(serial *big.Int, reasons ...int) CRLOption {
	return func(_ testing.TB, s *crlSpec) {
		for _, reason := range reasons {
			s.tbs.Revoked = append(s.tbs.Revoked, newEntry(serial, time.Now(), reason))
		}
	}
}

// CRLEntryExtension adds an entry for a random serial with this extension.
func CRLEntryExtension(e pkix.Extension) CRLOption {
	return func(_ testing.TB, s *crlSpec) {
		entry := newEntry(randomSerial(), time.Now(), 1)
		entry.Extensions = append(entry.Extensions, e)
		s.tbs.Revoked = append(s.tbs.Revoked, entry)
	}
}
