// Package revocation finds out whether a certificate is revoked (docs/revocation.md).
//
// A [Store] holds revocation lists from files and URLs, OCSP answers (stapled, fetched, or brought by status records)
// and the deny list, keeps over a restart what must not be forgotten, and renews all of it while [Store.Run] runs. One
// method decides, [Store.Status]: what revokes wins, whatever else is said; where nothing acceptable is at hand, the
// certificate is refused.
//
// The Store judges no paths. It is told of the CAs that lead to an anchor ([Store.Learn]), and asked about certificates
// whose signature is known to be good; package trust does both.
package revocation
