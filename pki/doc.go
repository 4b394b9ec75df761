// Package pki has the words in which tlagate speaks of certificates: identities and roles, the reasons for which a peer
// is refused, the allowlist of algorithms (annex code G5), and where the status of a certificate comes from.
//
// Whom tlagate trusts is decided in the packages above it, and nowhere else (annex code C2):
//
//   - [tlagate/pki/trust] builds every tls.Config and judges every peer: issuer chain, validity dates, usage,
//     algorithms, role and identity, then revocation of every certificate of the chain;
//   - [tlagate/pki/revocation] keeps the revocation data at hand, and renews it; it reads lists with [tlagate/pki/crl];
//   - [tlagate/pki/rfc5280] has the checks of path validation that tla-pki verify makes on chains of any PKI.
//
// They fail closed: what cannot be checked is refused, and every refusal carries a [Reason].
package pki
