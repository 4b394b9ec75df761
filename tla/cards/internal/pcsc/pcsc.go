// Package pcsc is the PC/SC service as the relay needs it, and the machine's own.
package pcsc

import (
	"errors"
	"time"

	"tlagate/session"
)

// Service is what the relay needs of a PC/SC service.
type Service interface {
	// Establish opens a new context. It may block while the service does not answer.
	Establish() (Context, error)
}

// Context is one connection to the service. Only Cancel may be called while another method runs.
type Context interface {
	// Readers returns the readers; it is no error if there are none.
	Readers() ([]string, error)
	// Wait returns when a reader differs from what was seen of it, and fills looks, of which there must be one at
	// least. The error ErrTimeout means that nothing changed.
	Wait(looks []Look, timeout time.Duration) error
	// Connect takes the card of a reader exclusively. It can block without limit.
	Connect(reader string) (Card, error)
	// Cancel ends a Wait under way; it has no effect on a later one.
	Cancel()
	Release()
}

// Card is a card that this program has exclusively.
type Card interface {
	// Status returns the present ATR and protocol.
	Status() ([]byte, session.Protocol, error)
	Transmit(apdu []byte) ([]byte, error)
	Reset(kind session.ResetKind) error
	// Features returns the reader's answer to GET_FEATURE_REQUEST (PC/SC part 10); nil = it has none.
	Features() []byte
	// Control sends a control code to the reader itself.
	Control(code uint32, in []byte) ([]byte, error)
	// PowerDown powers the card down and releases it.
	PowerDown() error
}

// Look is the state of one reader (SCARD_READERSTATE).
type Look struct {
	Reader string
	Seen   uint32 // in: the state last seen, 0 = none
	Event  uint32 // out: the state now
	ATR    []byte // out
}

// Bits of a state (winscard.h); the upper 16 count insertions and removals.
const (
	Unknown      = 0x0004
	Unavailable  = 0x0008
	Present      = 0x0020
	Exclusive    = 0x0080 // one program has the card to itself
	InUse        = 0x0100 // some program has it
	Mute         = 0x0200
	CounterShift = 16
)

// What PC/SC errors mean here. The implementation wraps those on which a caller branches.
var (
	ErrTimeout       = errors.New("nothing changed in time")
	ErrUnknownReader = errors.New("reader is no longer there")
	ErrBusy          = errors.New("another program holds the card")
	ErrDeclined      = errors.New("the reader did not do it") // a limit of the reader, or the card has just gone
)
