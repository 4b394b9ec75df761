// Package rates bounds how often a gateway's peers may do something in a short time: each for itself, and all of a
// practice together (docs/protocol.md, section 5; C1).
package rates

import (
	"time"

	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/session/link"
)

// What one peer may do in a short time, and what a practice may. All that a terminal begins is here: a request to open
// with its user's consent or a ticket is one of open, and a session, but for its further links, one of begin, too.
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

// Rates are those of all that is bounded.
type Rates struct{ Handshakes, Requests, Opens, Begins Rate }

// New returns the rates for so many peers. A practice may so many handshakes and opens a second.
func New(handshakes, opens, peers int) Rates {
	return Rates{
		Handshakes: NewRate(handshakeBurst, handshakeEvery, handshakes, peers),
		Requests:   Rate{Peer: listen.NewBudget(requestBurst, requestEvery, peers)},
		Opens:      NewRate(openBurst, openEvery, opens, peers),
		Begins:     Rate{Peer: listen.NewBudget(beginBurst, beginEvery, peers)},
	}
}

// Rate bounds how often something may happen.
type Rate struct {
	Peer     *listen.Budget // by identity
	Practice *listen.Budget // by name; nil = no bound
}

// NewRate returns a rate for so many peers; a practice may so many a second.
func NewRate(burst int, every time.Duration, aSecond, peers int) Rate {
	return Rate{listen.NewBudget(burst, every, peers),
		listen.NewBudget(practiceBurst*aSecond, time.Second/time.Duration(aSecond), peers)}
}

// Take counts one more, and returns the problem when that is too many.
func (r Rate) Take(id pki.Identity) *link.Problem {
	if wait := r.Peer.Take(id.String()); wait > 0 {
		return TooOften(wait, "This peer has asked for more than it may in so short a time.",
			"Wait; if it comes back, look for a second program with the same certificate.")
	}
	if r.Practice == nil {
		return nil
	}
	if wait := r.Practice.Take(id.Practice); wait > 0 {
		return TooOften(wait, "The devices of this practice have asked for more than they may in so short a time.",
			"Wait; if it comes back, look for a device that dials again and again.")
	}
	return nil
}

// TooOften returns the problem of a peer that is to come back after wait.
func TooOften(wait time.Duration, detail, action string) *link.Problem {
	return &link.Problem{Code: link.ProblemTooMany, Detail: detail, Action: action, RetryAfter: wait}
}
