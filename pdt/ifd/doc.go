// Package ifd is tla-pdt's end of the reader driver for Linux (docs/driver.md): it shows the cards of a session to the
// programs of this host through libtlagate-ifd.so in pcscd, whose source is in handler.
//
// Limits: one pair of readers. Card data pass through in clear: none of it is logged, and buffers are wiped after use
// (EL3).
package ifd
