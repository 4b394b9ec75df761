package pkitest

import (
	"crypto"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"
)

var (
	oidOCSPBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidNoCheck   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidFeature   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
)

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// NoCheck adds id-pkix-ocsp-nocheck.
func NoCheck() Option {
	return Template(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidNoCheck, Value: []byte{5, 0}})
	})
}

// MustStaple adds the TLS feature status_request (RFC 7633).
func MustStaple() Option {
	return Template(func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: oidFeature, Value: []byte{0x30, 3, 2, 1, 5}})
	})
}

// AIA sets the OCSP responders.
func AIA(urls ...string) Option {
	return Template(func(c *x509.Certificate) { c.OCSPServer = urls })
}

// Responder makes a responder's certificate: OCSPSigning, id-pkix-ocsp-nocheck, 90 days. An option that replaces
// ExtraExtensions needs CheckedResponder.
func (ca *CA) Responder(opts ...Option) tls.Certificate {
	ca.t.Helper()
	return ca.CheckedResponder(append([]Option{NoCheck()}, opts...)...)
}

// CheckedResponder makes a responder's certificate without id-pkix-ocsp-nocheck.
func (ca *CA) CheckedResponder(opts ...Option) tls.Certificate {
	ca.t.Helper()
	return ca.Issue("", x509.ExtKeyUsageOCSPSigning, append([]Option{Valid(-time.Hour, 90*day)}, opts...)...)
}

// OCSPOption changes an OCSP answer before it is signed; most options are defects.
type OCSPOption func(s *ocspSpec)

type ocspSpec struct {
	ca        *CA
	singles   []ocspSingle
	hash      crypto.Hash
	from, to  time.Time // zero to = no nextUpdate
	produced  time.Time
	version   int
	exts      []pkix.Extension
	perSingle []pkix.Extension
	signer    *tls.Certificate // nil = ca's own responder
	byCA      bool
	byName    bool
	stranger  bool // the responder that it names does not exist
	bare      bool // it contains no certificates
	spoil     bool
	sha1      bool
}

// ocspSingle is what an answer says about one certificate.
type ocspSingle struct {
	issuer *CA
	name   []byte // nil = the issuer's
	serial *big.Int
	status string // "good", "revoked", "unknown"; "" = whether the issuer has revoked it
	reason int
	at     time.Time
}

// OCSP returns a true answer (DER) about a certificate of ca: begun a minute ago, good for a day, certID by SHA-256,
// signed by a responder whose certificate is in it.
func (ca *CA) OCSP(cert *x509.Certificate, opts ...OCSPOption) []byte {
	ca.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	s := &ocspSpec{ca: ca, hash: crypto.SHA256, from: now.Add(-time.Minute), to: now.Add(day), produced: now}
	s.singles = []ocspSingle{{issuer: ca, serial: cert.SerialNumber}}
	for _, o := range opts {
		o(s)
	}
	return s.der(ca.t)
}

// der mirrors RFC 6960 section 4.2.1.
func (s *ocspSpec) der(t testing.TB) []byte {
	signer, chain := s.signedBy(t)
	tbs := marshal(t, ocspData{s.version, s.responderID(t, signer.Leaf), s.produced, s.responses(t), s.exts})
	alg := crlAlgorithm(&CA{Key: signer.PrivateKey.(crypto.Signer)})
	if s.sha1 {
		alg.Algorithm = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}
	}
	signature := signBits(t, tbs, signer.PrivateKey.(crypto.Signer), s.sha1)
	if s.spoil {
		signature[len(signature)-1] ^= 1
	}
	basic := ocspBasic{asn1.RawValue{FullBytes: tbs}, alg,
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}, chain}
	return marshal(t, ocspResponse{0, ocspBytes{oidOCSPBasic, marshal(t, basic)}})
}

type ocspResponse struct {
	Status asn1.Enumerated
	Bytes  ocspBytes `asn1:"explicit,tag:0"`
}

type ocspBytes struct {
	Type     asn1.ObjectIdentifier
	Response []byte
}

type ocspBasic struct {
	Data      asn1.RawValue
	Algorithm pkix.AlgorithmIdentifier
	Signature asn1.BitString
	Certs     []asn1.RawValue `asn1:"optional,omitempty,explicit,tag:0"`
}

type ocspData struct {
	Version    int `asn1:"optional,explicit,default:0,tag:0"`
	Responder  asn1.RawValue
	ProducedAt time.Time `asn1:"generalized"`
	Responses  []asn1.RawValue
	Extensions []pkix.Extension `asn1:"optional,omitempty,explicit,tag:1"`
}

type ocspSingleDER struct {
	ID         ocspCertID
	Status     asn1.RawValue
	ThisUpdate time.Time        `asn1:"generalized"`
	NextUpdate time.Time        `asn1:"optional,omitempty,generalized,explicit,tag:0"`
	Extensions []pkix.Extension `asn1:"optional,omitempty,explicit,tag:1"`
}

type ocspCertID struct {
	Hash      pkix.AlgorithmIdentifier
	Name, Key []byte
	Serial    *big.Int
}

func (s *ocspSpec) signedBy(t testing.TB) (tls.Certificate, []asn1.RawValue) {
	switch {
	case s.byCA:
		return tls.Certificate{PrivateKey: s.ca.Key, Leaf: s.ca.Cert}, nil
	case s.signer == nil:
		s.signer = s.ca.responder()
	}
	if s.bare {
		return *s.signer, nil
	}
	return *s.signer, []asn1.RawValue{{FullBytes: s.signer.Leaf.Raw}}
}

// responder returns the certificate that signs ca's answers by default.
func (ca *CA) responder() *tls.Certificate {
	ca.mu.Lock()
	made := ca.ocsp
	ca.mu.Unlock()
	if made != nil {
		return made
	}
	cert := ca.Responder(Template(func(c *x509.Certificate) { c.Subject.CommonName = "TEST responder" }))
	ca.mu.Lock()
	defer ca.mu.Unlock()
	ca.ocsp = &cert
	return ca.ocsp
}

func (s *ocspSpec) responderID(t testing.TB, signer *x509.Certificate) asn1.RawValue {
	if s.byName {
		return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: signer.RawSubject}
	}
	key := sha1.Sum(keyBits(t, signer))
	if s.stranger {
		key[0] ^= 1
	}
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 2, IsCompound: true, Bytes: marshal(t, key[:])}
}

func keyBits(t testing.TB, c *x509.Certificate) []byte {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	unmarshal(t, c.RawSubjectPublicKeyInfo, &info)
	return info.Key.Bytes
}

func (s *ocspSpec) responses(t testing.TB) []asn1.RawValue {
	var list []asn1.RawValue
	for _, one := range s.singles {
		id := ocspCertID{pkix.AlgorithmIdentifier{Algorithm: hashOIDs[s.hash], Parameters: asn1.NullRawValue},
			sum(s.hash, one.issuer.Cert.RawSubject), sum(s.hash, keyBits(t, one.issuer.Cert)), one.serial}
		if one.name != nil {
			id.Name = sum(s.hash, one.name)
		}
		list = append(list,
			asn1.RawValue{FullBytes: marshal(t, ocspSingleDER{id, one.statusDER(t), s.from, s.to, s.perSingle})})
	}
	return list
}

func sum(h crypto.Hash, b []byte) []byte {
	w := h.New()
	w.Write(b)
	return w.Sum(nil)
}

// statusDER returns the CertStatus: o.status, or else whether the issuer has revoked the certificate.
func (o ocspSingle) statusDER(t testing.TB) asn1.RawValue {
	o.issuer.mu.Lock()
	defer o.issuer.mu.Unlock()
	if o.status == "" {
		o.status = "good"
		for _, r := range o.issuer.revoked {
			if r.SerialNumber.Cmp(o.serial) == 0 {
				o.status, o.reason, o.at = "revoked", r.ReasonCode, r.RevocationTime
			}
		}
	}
	simple := func(tag int) asn1.RawValue { return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: tag} }
	switch o.status {
	case "good":
		return simple(0)
	case "unknown":
		return simple(2)
	}
	info := marshal(t, struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0"`
	}{o.at.UTC().Truncate(time.Second), asn1.Enumerated(o.reason)})
	var inner asn1.RawValue
	unmarshal(t, info, &inner)
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 1, IsCompound: true, Bytes: inner.Bytes}
}

// OCSPValid sets the dates, counted from now.
func OCSPValid(from, to time.Duration) OCSPOption {
	return func(s *ocspSpec) {
		now := time.Now().UTC().Truncate(time.Second)
		s.from, s.to = now.Add(from), now.Add(to)
		if s.produced.After(now.Add(from)) || from > 0 {
			s.produced = now.Add(from)
		}
	}
}

// OCSPStale dates the answer so that it ended an hour ago.
func OCSPStale() OCSPOption { return OCSPValid(-27*time.Hour, -time.Hour) }

// OCSPFuture dates the answer so that it begins in an hour.
func OCSPFuture() OCSPOption { return OCSPValid(time.Hour, 27*time.Hour) }

// OCSPNoNextUpdate leaves out nextUpdate.
func OCSPNoNextUpdate() OCSPOption { return func(s *ocspSpec) { s.to = time.Time{} } }

// OCSPProduced sets producedAt, counted from now.
func OCSPProduced(d time.Duration) OCSPOption {
	return func(s *ocspSpec) { s.produced = time.Now().UTC().Truncate(time.Second).Add(d) }
}

// OCSPStatus answers "good", "revoked" or "unknown", whatever the CA has revoked.
func OCSPStatus(status string) OCSPOption {
	return func(s *ocspSpec) { s.singles[0].status, s.singles[0].reason, s.singles[0].at = status, 1, time.Now() }
}

// OCSPHold answers "revoked" with reason certificateHold.
func OCSPHold() OCSPOption {
	return func(s *ocspSpec) {
		s.singles[0].status, s.singles[0].reason, s.singles[0].at = "revoked", 6, time.Now()
	}
}

// OCSPHash sets the hash of the certID.
func OCSPHash(h crypto.Hash) OCSPOption { return func(s *ocspSpec) { s.hash = h } }

// OCSPFor makes the answer about another certificate, of another CA.
func OCSPFor(issuer *CA, cert *x509.Certificate) OCSPOption {
	return func(s *ocspSpec) { s.singles[0] = ocspSingle{issuer: issuer, serial: cert.SerialNumber} }
}

// OCSPOtherName makes the certID have the right key and serial, but the name of another CA.
func OCSPOtherName() OCSPOption { return func(s *ocspSpec) { s.singles[0].name = []byte("nobody") } }

// OCSPAlso makes the answer about one more certificate of ca, before or after the one that was asked for.
func OCSPAlso(cert *x509.Certificate, status string, before bool) OCSPOption {
	return func(s *ocspSpec) {
		one := ocspSingle{issuer: s.ca, serial: cert.SerialNumber, status: status, reason: 1, at: time.Now()}
		if before {
			s.singles = append([]ocspSingle{one}, s.singles...)
		} else {
			s.singles = append(s.singles, one)
		}
	}
}

// OCSPMute leaves out what was asked for.
func OCSPMute() OCSPOption { return func(s *ocspSpec) { s.singles = nil } }

// OCSPVersion sets the version; 0 is v1.
func OCSPVersion(n int) OCSPOption { return func(s *ocspSpec) { s.version = n } }

// OCSPNonce adds a nonce.
func OCSPNonce(nonce []byte) OCSPOption {
	value, _ := asn1.Marshal(nonce)
	return OCSPExtension(pkix.Extension{Id: oidOCSPNonce, Value: value})
}

// OCSPNoNonce takes out the nonce, and every other extension.
func OCSPNoNonce() OCSPOption { return func(s *ocspSpec) { s.exts = nil } }

// OCSPExtension adds an extension to the answer.
func OCSPExtension(e pkix.Extension) OCSPOption {
	return func(s *ocspSpec) { s.exts = append(s.exts, e) }
}

// OCSPUnknownCritical adds to the answer a critical extension that no program knows.
func OCSPUnknownCritical() OCSPOption { return OCSPExtension(unknownExtension(true)) }

// OCSPSingleCritical adds such an extension to what is said about the certificate.
func OCSPSingleCritical() OCSPOption {
	return func(s *ocspSpec) { s.perSingle = append(s.perSingle, unknownExtension(true)) }
}

// OCSPSignedBy makes another responder sign; its certificate is in the answer.
func OCSPSignedBy(c tls.Certificate) OCSPOption { return func(s *ocspSpec) { s.signer = &c } }

// OCSPByCA makes the CA itself sign.
func OCSPByCA() OCSPOption { return func(s *ocspSpec) { s.byCA = true } }

// OCSPByName identifies the responder by its name, not by its key.
func OCSPByName() OCSPOption { return func(s *ocspSpec) { s.byName = true } }

// OCSPStranger names a responder that does not exist.
func OCSPStranger() OCSPOption { return func(s *ocspSpec) { s.stranger = true } }

// OCSPBare leaves out the responder's certificate.
func OCSPBare() OCSPOption { return func(s *ocspSpec) { s.bare = true } }

// OCSPBadSignature spoils the signature.
func OCSPBadSignature() OCSPOption { return func(s *ocspSpec) { s.spoil = true } }

// OCSPSHA1 signs with SHA-1.
func OCSPSHA1() OCSPOption { return func(s *ocspSpec) { s.sha1 = true } }

// OCSPError returns the error with which a responder answers: 1 malformedRequest, 2 internalError, 3 tryLater,
// 6 unauthorized.
func OCSPError(status byte) []byte { return []byte{0x30, 3, 0x0a, 1, status} }
