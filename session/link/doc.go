// Package link is the outer link of tlagate: HTTPS upgraded to records, from a
// TLA or a PdT to a gateway (docs/protocol.md, sections 1 and 2).
//
// [Conn] carries records; at the two ends its Read and Write carry the bytes of
// the card session, so that it serves as the net.Conn of the inner TLS. [Park]
// and [Open] are the requests of the two ends; [Problem] is what a gateway
// answers instead. The package knows no certificates: it works on connections
// whose handshake is done.
package link
