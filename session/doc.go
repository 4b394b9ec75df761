// Package session is the card session between a TLA and a PdT: its frames,
// and the rules by which a command is executed exactly once
// (docs/protocol.md, sections 3 and 4).
//
// [Terminal] is the end that has the cards, [Workstation] the end that has the
// programs. Both work on a connection whose TLS handshake is done; the package
// knows neither certificates nor PC/SC, and nothing of it logs a payload.
package session
