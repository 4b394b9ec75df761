package gateway

import (
	"tlagate/gateway/state"
	"tlagate/pki"
)

// knowledge is the seam behind which a cluster of gateways may stand one day: what one gateway knows that the others
// would have to know. Here it is this gateway's own (local).
type knowledge interface {
	Sessions(f Filter, after place, limit int) []*session // that have begun, the oldest first
	Session(id string) *session

	Deny(one state.Denial) error
	Allow(identity string) error
	Denies(id pki.Identity) bool
	Denied() []state.Denial
	Has(identity string) bool

	state.Sightings
}

// local is the knowledge of a gateway that stands alone.
type local struct {
	*sessionTable
	*state.Denials
	state.Sightings
}

func newLocal(cfg Config, sessions *sessionTable) local {
	l := local{sessions, cfg.Denials, cfg.Roll}
	if cfg.Denials == nil {
		l.Denials, _ = state.OpenDenials("") // fails only for a file
	}
	if cfg.Roll == nil {
		l.Sightings, _ = state.OpenRoll("") // likewise
	}
	return l
}
