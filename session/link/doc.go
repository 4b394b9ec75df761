// Package link is the outer link of tlagate: HTTPS upgraded to records, from a
// TLA or a PdT to a gateway (docs/protocol.md, sections 1 and 2).
//
// [Conn] carries records; at the two ends its Read and Write carry the octets of
// the card session, so that it is the net.Conn of the inner TLS. [Park] and
// [Open] are the requests of the two ends; a [Problem] is how a gateway refuses
// them. The package knows no certificates: it works on connections whose
// handshake is done.
package link
