// Package tla is the relay: the end of tlagate that has the cards, in the health professional's terminal.
//
// Package cards watches every PC/SC reader and decides which card belongs in which slot. [Relay] takes these cards
// exclusively, for one session at a time with one PdT, through a gateway. A session starts only when [Relay.Start] is
// called, and the relay owns no network socket before that or after the end (C4). Local users reach it through package
// control.
package tla
