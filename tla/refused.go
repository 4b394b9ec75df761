package tla

import (
	"fmt"

	"tlagate/session"
	"tlagate/tla/policy"
)

// ManyRefused is how many refused commands in one session make the user be warned.
const ManyRefused = 3

// refuse counts and logs a command that the card policy stopped (C1): its header and lengths, never its data. One that
// the policy expects alarms nobody. A PdT must not be able to fill the log.
func (l *live) refuse(slot session.Slot, v policy.Verdict) {
	if v.Expected {
		l.log.Debug("command refused, as the card policy expects", refusal(slot, v)...)
		return
	}
	n := l.refused.Add(1)
	if n == ManyRefused {
		l.manyRefused(slot)
	}
	if n <= 20 || n%1000 == 0 {
		l.log.Warn("command refused by the card policy", append(refusal(slot, v), "so_far", n)...)
	}
}

// refusal returns what a log line says of a refused command.
func refusal(slot session.Slot, v policy.Verdict) []any {
	return []any{"slot", slot.String(), "command", v.Header, "lc", v.Lc, "le", v.Le, "app", v.App,
		"profile", v.Profile, "rule", v.Rule, "why", v.Why, "answer", fmt.Sprintf("%X", v.Answer)}
}
