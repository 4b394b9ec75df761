// Package trust decides whom tlagate trusts (annex code C2).
//
// A [Trust] has anchors, intermediates and, in its [revocation.Store], revocation data. It finds the paths from a
// peer's certificate to an anchor and makes the checks of one table on each (checks.go), the most expensive last; the
// first that fails determines the reason. A [Party] performs handshakes with a Trust: it builds every tls.Config, and a
// [Peer] has proved both its certificate and its key. Live peers are judged again by [Trust.Recheck] whenever
// [revocation.Store.Changed] announces a change.
//
// The profile that guards sessions, RGS, is RGS A4 with the ANSSI TLS guide. Foreign is for servers of another PKI to
// which our programs connect. RFC5280 is for people who examine chains of any PKI; its checks are in package rfc5280.
package trust
