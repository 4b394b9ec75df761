package pki

import "time"

// The kinds of source that a certificate's status comes from, in Revocation.Kind.
const (
	SourceCRL    = "crl"    // a revocation list
	SourceOCSP   = "ocsp"   // a responder, asked just now
	SourceStaple = "staple" // the peer's own handshake
	SourceStatus = "status" // a status record, through a gateway
	SourceCache  = "cache"  // an earlier OCSP answer, still in date
)

// Revocation says where the status of one certificate of the path comes from.
type Revocation struct {
	Serial     string // of the certificate, hexadecimal
	Kind       string // SourceCRL, SourceOCSP …
	Source     string // file or URL of the CRL; which OCSP answer
	Number     string // CRLNumber, decimal; "" for an OCSP answer
	ThisUpdate time.Time
	NextUpdate time.Time
}

// Status is one piece of revocation data for a status record.
type Status struct {
	ARL bool // else an OCSP answer, unless CRL
	CRL bool // a list about persons
	DER []byte
}
