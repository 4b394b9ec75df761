// Package revocation finds out whether a certificate is revoked (docs/revocation.md).
//
// A [Store] has revocation lists from files and URLs, OCSP answers (stapled, fetched, or brought by status records) and
// the deny list, keeps across restarts what must not be forgotten, and renews all of it while [Store.Run] runs. One
// method decides, [Store.Status]: what revokes wins over everything else; where nothing acceptable is at hand, the
// certificate is refused.
//
// The Store judges no paths. Package trust tells it the CAs that lead to an anchor ([Store.Learn]), and asks it about
// certificates whose signature is known to be good.
package revocation
