// Package pdt is the side of the Poste de Travail: it parks links on its
// gateways, serves the card sessions that TLAs open, and shows their cards to
// the programs of this host (docs/protocol.md).
//
// Programs see the cards of each slot through a [Reader]. Packages below this one
// have those of drivers, with which unmodified PC/SC software sees ordinary
// readers; a Go program can bring its own and needs no driver.
//
// A session whose link is lost goes on over another within Config.Grace: until
// then its cards stay visible, and programs wait.
//
// Limits: one pair of slots, hence one session at a time. Card data pass through
// this process in clear: it logs none of it and wipes its buffers after use (EL3).
package pdt
