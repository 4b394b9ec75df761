package tla

import (
	"errors"
	"time"

	"tlagate/session"
)

// pcsc is what the relay needs of a PC/SC service.
type pcsc interface {
	// establish opens a context of its own. It may block while the service does not answer.
	establish() (pcscContext, error)
}

// pcscContext is one connection to the service. Only cancel may be called while another method runs.
type pcscContext interface {
	// readers lists the readers; none is no error.
	readers() ([]string, error)
	// wait returns when a reader differs from what was seen of it, and fills looks, of which there is at least one.
	// The error errTimeout means that nothing changed.
	wait(looks []look, timeout time.Duration) error
	// connect takes the card of a reader exclusively. It can block without limit.
	connect(reader string) (pcscCard, error)
	// cancel ends a wait under way; it does nothing to a later one.
	cancel()
	release()
}

// pcscCard is a card held exclusively.
type pcscCard interface {
	// status gives the present ATR and protocol.
	status() ([]byte, session.Protocol, error)
	transmit(apdu []byte) ([]byte, error)
	reset(kind session.ResetKind) error
	// features gives the reader's answer to GET_FEATURE_REQUEST (PC/SC part 10); nil = it has none.
	features() []byte
	// control has the reader itself do something.
	control(code uint32, in []byte) ([]byte, error)
	// powerDown ends the hold and takes the card's power away.
	powerDown() error
}

// look is the state of one reader (SCARD_READERSTATE).
type look struct {
	reader string
	seen   uint32 // in: the state last seen, 0 = none
	event  uint32 // out: the state now
	atr    []byte // out
}

// Bits of a state (winscard.h); the upper 16 count insertions and removals.
const (
	stateUnknown     = 0x0004
	stateUnavailable = 0x0008
	statePresent     = 0x0020
	stateExclusive   = 0x0080 // one program has the card to itself
	stateInUse       = 0x0100 // some program has it
	stateMute        = 0x0200
	counterShift     = 16
)

// What PC/SC errors mean here. The implementation wraps one of them where a caller branches.
var (
	errTimeout       = errors.New("nothing changed in time")
	errUnknownReader = errors.New("reader is no longer there")
	errHeldByOther   = errors.New("another program holds the card")
	errDeclined      = errors.New("the reader did not do it") // a limit of the reader, or the card has just gone
)
