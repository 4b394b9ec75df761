// Package cards has the PC/SC readers of the terminal and the cards in them.
//
// [Readers] watches every reader and decides which card belongs in which slot. [Taker] takes such a card exclusively;
// the [Lease] that it returns is the card, until it is lost or released. Nothing else in tlagate talks to a reader.
package cards
