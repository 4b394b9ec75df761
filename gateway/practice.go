package gateway

import (
	"cmp"
	"time"

	"tlagate/pki"
	"tlagate/pki/listen"
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

// What one peer may do in a short time (docs/protocol.md, section 5), and what a practice may. All that a terminal
// begins is here: a request to open with its user's consent or a ticket is one of open, and a session, but for its
// further links, one of begin, too.
const (
	handshakeBurst = 100
	handshakeEvery = time.Second / 20
	requestBurst   = 100
	requestEvery   = time.Second / 20
	openBurst      = 60
	openEvery      = time.Second / 5
	beginBurst     = 600
	beginEvery     = 30 * time.Second // each session takes some 3 KiB of a trace that is kept for a year

	practiceBurst = 40 // seconds' worth, so that all of a practice may come back at once
)

// setRates makes the budgets of what peers may do in a short time.
func (g *Gateway) setRates(l Limits) {
	g.handshakes = newRate(handshakeBurst, handshakeEvery, l.PerPractice.Handshakes, l.Connections)
	g.requests = listen.NewBudget(requestBurst, requestEvery, l.Connections)
	g.opens = newRate(openBurst, openEvery, l.PerPractice.Opens, l.Connections)
	g.begins = listen.NewBudget(beginBurst, beginEvery, l.Connections)
}

// rate bounds how often something may happen, for each peer and for each practice.
type rate struct{ peer, practice *listen.Budget }

// newRate returns a rate for so many peers.
func newRate(burst int, every time.Duration, aSecond, peers int) rate {
	return rate{listen.NewBudget(burst, every, peers),
		listen.NewBudget(practiceBurst*aSecond, time.Second/time.Duration(aSecond), peers)}
}

// take counts one more, and returns the problem when that is too many.
func (r rate) take(id pki.Identity) *link.Problem {
	if wait := r.peer.Take(id.String()); wait > 0 {
		return peerTooOften(wait)
	}
	if wait := r.practice.Take(id.Practice); wait > 0 {
		return tooOften(wait, "The devices of this practice have asked for more than they may in so short a time.",
			"Wait; if it comes back, look for a device that dials again and again.")
	}
	return nil
}

// spend takes one of what a peer may have, or says that there is none left.
func spend(b *listen.Budget, c *client) *link.Problem {
	if wait := b.Take(c.identity()); wait > 0 {
		return peerTooOften(wait)
	}
	return nil
}

func peerTooOften(wait time.Duration) *link.Problem {
	return tooOften(wait, "This peer has asked for more than it may in so short a time.",
		"Wait; if it comes back, look for a second program with the same certificate.")
}

func tooOften(wait time.Duration, detail, action string) *link.Problem {
	return &link.Problem{Code: link.ProblemTooMany, Detail: detail, Action: action, RetryAfter: wait}
}

// When to come back after a limit on what there is at once.
const (
	retryParked   = 5 * time.Second
	retryAbsent   = 5 * time.Second
	retrySessions = 30 * time.Second
)

func tooManyOfPractice(what string, again time.Duration) *link.Problem {
	return tooOften(again, "This practice has as many "+what+" as it may.",
		"End some, or ask the operator for more (limits.per_practice).")
}
