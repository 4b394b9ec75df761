// Package tla is the relay: the end of tlagate that has the cards, in the health
// professional's terminal.
//
// Package cards watches every PC/SC reader and says which card belongs in which slot.
// [Relay] takes these cards exclusively for one session at a time with one PdT,
// through a gateway; it starts only when [Relay.Start] is called and owns no network
// socket before that or after the end (C4). Package control is how local users call it.
package tla
