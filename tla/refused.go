package tla

import (
	"tlagate/session"
	"tlagate/tla/policy"
)

// ManyRefused is how many refused commands in one session the user is told of.
const ManyRefused = 3

// refuse counts and logs a command that the card policy stopped (C1): never what it said. A PdT must not be able to fill
// the log.
func (l *live) refuse(slot session.Slot, v policy.Verdict) {
	n := l.refused.Add(1)
	if n == ManyRefused {
		l.manyRefused(slot)
	}
	if n <= 20 || n%1000 == 0 {
		l.log.Warn("command refused by the card policy", "slot", slot.String(), "profile", v.Profile, "rule", v.Rule, "why", v.Why, "so_far", n)
	}
}
