// Package siem sends the trace to a SIEM as it grows: each line as a message of RFC 5424 over TLS (RFC 5425), for annex
// code SA2; docs/audit.md, section SIEM.
//
// The trace on the disk is the spool. A cursor file beside it says which line was delivered last; the rest is read when
// it can be sent, so that a SIEM that is away costs neither memory nor lines, and nothing ever waits for it. RFC 5425
// has no acknowledgement. A line counts as delivered when the kernel of the other end has acknowledged its octets and
// the connection has lived for some time after; after a lost connection all others are sent again. So a line may come
// twice, with the same number, and none is lost unless the SIEM loses what it has received.
package siem
