// Package trust decides whom tlagate trusts (annex code C2).
//
// A [Trust] holds anchors, intermediates and, in its [revocation.Store], revocation data. It finds the paths from a
// peer's certificate to an anchor and makes the checks of one table on each (checks.go), the dearest last; the first
// that fails gives the reason. A [Party] performs handshakes with a Trust: it builds every tls.Config, and a [Peer] has
// proved both its certificate and its key. Live peers are judged again by [Trust.Recheck] whenever
// [revocation.Store.Changed] says so.
//
// The profile that guards sessions, RGS, is RGS A4 with the ANSSI TLS guide. Beside it stands RFC5280, for people who
// look at chains of any PKI; its checks are in package rfc5280.
package trust
