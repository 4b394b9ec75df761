// Package home is how lines of a device's trace come to the gateway (SA2; docs/protocol.md, section 2.2): a [Sender] at
// the device reads its trace from where it was last confirmed, and a [Receiver] at the gateway writes each line once,
// as said by that device. Neither ever holds up a session.
package home
