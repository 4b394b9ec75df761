// Package pki is the one place that decides whom tlagate trusts.
//
// It builds every tls.Config and judges every peer: issuer chain, validity
// dates, usage, algorithms, role and identity, then revocation of every
// certificate of the chain (annex code C2). It fails closed: what cannot be
// checked is refused, and every refusal carries a [Reason].
//
// The profile it enforces is RGS A4 with the ANSSI TLS guide; the allowlist of
// algorithms (annex code G5) is in algorithms.go.
package pki
