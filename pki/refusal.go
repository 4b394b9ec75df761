package pki

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
)

// Reason is the one stable word for why a peer is refused. The same word is used in logs, audit, metrics, problems and
// `tla-pki verify`.
type Reason string

// What a handshake or a certificate alone can be refused for (C2).
const (
	NoCertificate  Reason = "no_certificate"  // the peer showed none
	BadCertificate Reason = "bad_certificate" // it cannot be parsed, or has an unknown critical extension
	UnknownIssuer  Reason = "unknown_issuer"  // no path to an anchor of the role
	// a device on the path opens TLS, and shows a certificate of its own for the name that was dialled
	Inspected       Reason = "inspected"
	SelfSigned      Reason = "self_signed"       // it vouches for itself
	BadSignature    Reason = "bad_signature"     // the issuer did not sign it
	Expired         Reason = "expired"           // past notAfter
	NotYetValid     Reason = "not_yet_valid"     // before notBefore
	KeyUsage        Reason = "key_usage"         // digitalSignature (or, in a CA, keyCertSign) missing
	ExtKeyUsage     Reason = "ext_key_usage"     // not exactly the extended key usage asked for
	AnyExtKeyUsage  Reason = "any_ext_key_usage" // anyExtendedKeyUsage is never accepted
	NotCA           Reason = "not_ca"            // an issuer that is no CA, or beyond its pathLen
	Policy          Reason = "policy"            // no acceptable certificate policy
	WeakKey         Reason = "weak_key"          // key kind or size outside the allowlist
	WeakSignature   Reason = "weak_signature"    // signature algorithm outside the allowlist
	NameMismatch    Reason = "name_mismatch"     // not the DNS name that was dialled
	BadIdentity     Reason = "bad_identity"      // no urn:tlagate name, or none that can be read
	NameSpace       Reason = "name_space"        // the anchor does not vouch for that practice
	WrongRole       Reason = "wrong_role"        // a role that may not do this
	WrongPractice   Reason = "wrong_practice"    // another practice, and no row in the access table
	WrongPeer       Reason = "wrong_peer"        // not the very component that was asked for
	TestCA          Reason = "test_ca"           // a CA named TEST… in a production trust store
	Revoked         Reason = "revoked"           // the leaf is revoked
	CARevoked       Reason = "ca_revoked"        // a CA of the chain is revoked
	CRLMissing      Reason = "crl_missing"       // no CRL of that issuer at hand
	CRLStale        Reason = "crl_stale"         // past nextUpdate
	CRLFuture       Reason = "crl_future"        // thisUpdate lies ahead
	CRLBadSignature Reason = "crl_bad_signature" // not signed by the issuer
	CRLWrongIssuer  Reason = "crl_wrong_issuer"  // signed by another CA, or one without cRLSign
	CRLNumberBack   Reason = "crl_number_back"   // CRLNumber lower than one already seen
	// unreadable, unknown critical extension, wrong distribution point
	CRLBad     Reason = "crl_bad"
	OnDenyList Reason = "denied" // on the local deny list of the operator
	// its certificate demands a stapled OCSP answer (RFC 7633), and it sent none
	StapleMissing Reason = "staple_missing"
	OCSPMissing   Reason = "ocsp_missing"    // no OCSP answer could be obtained
	OCSPStale     Reason = "ocsp_stale"      // past nextUpdate
	OCSPFuture    Reason = "ocsp_future"     // thisUpdate or producedAt lies ahead
	OCSPUnknown   Reason = "ocsp_unknown"    // the responder does not know the certificate
	OCSPBadSigner Reason = "ocsp_bad_signer" // neither the CA nor one it has delegated to
	// not signed by the signer it names, or with a weak algorithm
	OCSPBadSignature     Reason = "ocsp_bad_signature"
	OCSPWrongCertificate Reason = "ocsp_wrong_certificate" // it is about other certificates
	OCSPNonce            Reason = "ocsp_nonce"             // no nonce, or not the one that was sent
	OCSPError            Reason = "ocsp_error"             // the responder says that it has no answer
	OCSPBad              Reason = "ocsp_bad"               // unreadable, no nextUpdate, unknown critical extension
	UserStatus           Reason = "user_status"            // of a person: whether they are revoked cannot be found out
	TLSVersion           Reason = "tls_version"            // not TLS 1.3
	CipherSuite          Reason = "cipher_suite"           // no allowed suite or group offered
	NotRGS               Reason = "not_rgs"                // offered or chosen, and not what crypto: rgs takes
	ALPN                 Reason = "alpn"                   // no application protocol, or another one
	HandshakeSlow        Reason = "handshake_timeout"      // not finished within 10 s
	HandshakeFailed      Reason = "handshake_failed"       // anything else: interrupted, not TLS, no proof of the key
)

// Refusal is the error with which a peer, certificate, CRL or OCSP answer is refused.
type Refusal struct {
	Reason  Reason
	Subject string // which certificate, CRL or connection, in words a person can act on
	Detail  string // one sentence: what was found and what was wanted

	Claimed Identity // what the peer's certificate names, zero when unreadable; proven only after a handshake
	Serial  *big.Int // of that certificate; nil when there is none
	Cause   error    // the error beneath, if any
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }

// Error returns "REASON: subject: detail".
func (r *Refusal) Error() string {
	if r.Subject == "" {
		return fmt.Sprintf("%s: %s", r.Reason, r.Detail)
	}
	return fmt.Sprintf("%s: %s: %s", r.Reason, r.Subject, r.Detail)
}

// Reasons lists every reason.
var Reasons = []Reason{
	NoCertificate, BadCertificate, UnknownIssuer, Inspected, SelfSigned, BadSignature, Expired, NotYetValid, KeyUsage,
	ExtKeyUsage, AnyExtKeyUsage, NotCA, Policy, WeakKey, WeakSignature, NameMismatch, BadIdentity, NameSpace, WrongRole,
	WrongPractice, WrongPeer, TestCA, Revoked, CARevoked, CRLMissing, CRLStale, CRLFuture, CRLBadSignature,
	CRLWrongIssuer, CRLNumberBack, CRLBad, OnDenyList, StapleMissing, OCSPMissing, OCSPStale, OCSPFuture, OCSPUnknown,
	OCSPBadSigner, OCSPBadSignature, OCSPWrongCertificate, OCSPNonce, OCSPError, OCSPBad, UserStatus, TLSVersion,
	CipherSuite, NotRGS, ALPN, HandshakeSlow, HandshakeFailed,
}

// ReasonOf returns the reason of the first Refusal in err, or "" when there is none.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

// Revokes reports whether the reason is that the certificate, or a CA above it, has been revoked or denied. Every other
// reason is about what could not be found out, or about something else.
func (r *Refusal) Revokes() bool {
	return slices.Contains([]Reason{Revoked, CARevoked, OnDenyList}, r.Reason)
}
