package gateway

import (
	"cmp"
	"time"

	"tlagate/gateway/rates"
	"tlagate/session/link"
)

// PracticeLimits bound what all devices of one practice may do together. Zero stands for the default of each, which for
// what they have at once is no bound but that of the gateway: one hospital may be all there is.
type PracticeLimits struct {
	Sessions    int // at once, of its TLAs
	Connections int // proven, at once
	Parked      int // links, at once
	Handshakes  int // a second, 750; 40 s' worth of them at once
	Opens       int // a second, 250; likewise
}

func (l PracticeLimits) withDefaults() PracticeLimits {
	l.Handshakes = cmp.Or(l.Handshakes, 750)
	l.Opens = cmp.Or(l.Opens, 250)
	return l
}

// reached reports whether so many are as many as a limit allows; a limit of 0 is none.
func reached(n, limit int) bool { return limit > 0 && n >= limit }

// practiceCount counts something by practice. Its owner's mutex protects it.
type practiceCount map[string]int

func (p practiceCount) add(practice string, n int) {
	if p[practice] += n; p[practice] == 0 {
		delete(p, practice)
	}
}

// When to come back after a limit on what there is at once.
const (
	retryParked   = 5 * time.Second
	retryAbsent   = 5 * time.Second
	retrySessions = 30 * time.Second
)

func tooManyOfPractice(what string, again time.Duration) *link.Problem {
	return rates.TooOften(again, "This practice has as many "+what+" as it may.",
		"End some, or ask the operator for more (limits.per_practice).")
}
