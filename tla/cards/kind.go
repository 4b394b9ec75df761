package cards

import (
	"encoding/hex"

	"tlagate/session"
	"tlagate/tla/atr"
)

// Kind is a model of card, known by its ATR.
type Kind string

// The kinds. A new one is a row of known too, a profile of the built-in card policy (cmd/tla-relay/policy.yaml) and a
// word of the screen (Kinds in cmd/tla-relay/internal/words/status.go). KindUnknown is a card that is of no use
// here, KindMute one that answers no ATR.
const (
	KindVitale1 Kind = "vitale1"
	KindVitale2 Kind = "vitale2"
	KindCPS3    Kind = "cps3"
	KindCPS4    Kind = "cps4"
	KindUnknown Kind = "unknown"
	KindMute    Kind = "mute"
)

// known are the kinds that have a slot, by their ATR in hexadecimal; a point stands for any digit.
var known = []struct {
	atr  string
	kind Kind
	slot session.Slot
}{
	{"3f652500......9000", KindVitale1, session.SlotVitale}, // inverse convention, T=0
	{"3b751300004.09ea9000", KindVitale2, session.SlotVitale},
	{"3bac00402a001225006480000310009000", KindCPS3, session.SlotCPS},
	{"3b9b188001001225006480040100009044", KindCPS4, session.SlotCPS}, // T=0 and T=1
}

// identify returns the kind of card that an ATR belongs to; ok is false if that kind has no slot.
func identify(answer []byte) (kind Kind, slot session.Slot, ok bool) {
	if len(answer) == 0 {
		return KindMute, 0, false
	}
	digits := hex.EncodeToString(answer)
	for _, k := range known {
		if atr.Fits(digits, k.atr) {
			return k.kind, k.slot, true
		}
	}
	return KindUnknown, 0, false
}
