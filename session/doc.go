// Package session is the card session between a TLA and a PdT: its frames, and
// the rules by which each command is executed exactly once (docs/protocol.md,
// sections 3 and 4).
//
// [Terminal] is the end with the cards, [Workstation] the end with the programs.
// Both work on a connection whose TLS handshake is done; the package knows
// neither certificates nor PC/SC, and logs no payload.
package session
