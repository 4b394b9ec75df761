package cards

import (
	"errors"

	"tlagate/tla/cards/internal/pcsc"
)

// Hold says whether a session has a card, or why not.
type Hold string

// The holds.
const (
	HoldNone   Hold = ""       // not tried
	HoldTaken  Hold = "held"   // the session has it exclusively
	HoldBusy   Hold = "busy"   // another program has it
	HoldStuck  Hold = "stuck"  // the reader does not answer
	HoldFailed Hold = "failed" // anything else
)

// HoldOf returns what an error of [Taker.Take] means.
func HoldOf(err error) Hold {
	switch {
	case err == nil:
		return HoldTaken
	case errors.Is(err, pcsc.ErrBusy):
		return HoldBusy
	case errors.Is(err, errStuck):
		return HoldStuck
	}
	return HoldFailed
}
