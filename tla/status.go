package tla

import (
	"time"

	"tlagate/pki"
	"tlagate/session"
	"tlagate/session/ahead"
	"tlagate/tla/cards"
)

// Status says what a relay is doing, for people and programs.
type Status struct {
	State State `json:"state"`
	// the first that may be chosen, or its identity in a session
	PdT     string         `json:"pdt"`
	PdTs    []string       `json:"pdts,omitempty"`    // what the user may choose from, as configured
	Session *SessionStatus `json:"session,omitempty"` // absent when idle
	// what is wrong with the PC/SC service; absent = nothing
	PCSC        string         `json:"pcsc,omitempty"`
	Readers     []ReaderStatus `json:"readers"`              // in the order of PC/SC
	Last        *End           `json:"last,omitempty"`       // how the session before this one ended
	Identity    string         `json:"identity,omitempty"`   // ours
	Certificate time.Time      `json:"certificate,omitzero"` // when ours ends
	Renewal     *Renewal       `json:"renewal,omitempty"`    // of our certificate; absent = nothing renews it
	Problem     string         `json:"problem,omitempty"`    // with our certificate, or with the seal
	// what keeps us from writing the trace: a full disk; absent = nothing
	Storage string `json:"storage,omitempty"`
	Bundle  uint64 `json:"bundle,omitempty"` // version of the signed configuration
	// gateways that answer no hello with post-quantum groups
	Hellos []SmallHello `json:"without_hybrids,omitempty"`
	PIN    *PINRequest  `json:"pin,omitempty"` // the user is asked for a PIN
}

// SmallHello is a gateway to which no post-quantum groups are sent for now.
type SmallHello struct {
	Gateway string    `json:"gateway"` // host:port
	Until   time.Time `json:"until"`
}

func (c Config) smallHellos() (list []SmallHello) {
	for _, g := range c.Gateways {
		if until := c.Party.Hybrids.Until(g); !until.IsZero() {
			list = append(list, SmallHello{g, until})
		}
	}
	return list
}

// Renewal says how the renewal of our certificate stands.
type Renewal struct {
	Due          time.Time `json:"due"`                    // from then on it is tried, during sessions
	Warn         bool      `json:"warn,omitempty"`         // it is late: the user should tell somebody
	FailingSince time.Time `json:"failing_since,omitzero"` // absent = it has not failed
	Reason       string    `json:"reason,omitempty"`       // of the last failure
	GivenUp      bool      `json:"given_up,omitempty"`     // nothing but a new enrolment will help
}

// SessionStatus describes the session that is starting, up or ending.
type SessionStatus struct {
	ID              string    `json:"id"`
	Gateway         string    `json:"gateway,omitempty"` // host:port, once up
	GatewayIdentity string    `json:"gateway_identity,omitempty"`
	Since           time.Time `json:"since,omitzero"`

	// What the two layers of TLS negotiated, once up: the outer with the gateway, the inner with the PdT.
	GatewayTLS *pki.Negotiated `json:"gateway_tls,omitempty"`
	PdTTLS     *pki.Negotiated `json:"pdt_tls,omitempty"`

	Until           time.Time     `json:"until,omitzero"`             // at the latest
	Refused         int64         `json:"refused"`                    // commands that the card policy stopped (C1)
	RefusedIncident string        `json:"refused_incident,omitempty"` // once they are ManyRefused
	Resumed         int64         `json:"resumed"`                    // how often a lost link was got back
	LostSince       time.Time     `json:"lost_since,omitzero"`
	GraceUntil      time.Time     `json:"grace_until,omitzero"` // while the link is lost: when the session will end
	Ahead           *ahead.Counts `json:"ahead,omitempty"`      // what was read before programs asked for it; absent = nothing
	// how many answers of a card may be on their way before programs ask for them, as both ends agreed; absent = none
	ReadAhead int `json:"read_ahead,omitempty"`
	// the user is asked to stay; only an act of theirs keeps the session
	Ask     *Ask     `json:"ask,omitempty"`
	Warning *Warning `json:"warning,omitempty"`
}

// ReaderStatus is one reader and its card.
type ReaderStatus struct {
	Name string      `json:"name"`
	Card *CardStatus `json:"card,omitempty"`
}

// Use says what use the relay has for a card.
type Use string

// The uses.
const (
	UseSlot    Use = "slot"    // it is the card of its slot
	UseSecond  Use = "second"  // ignored: another reader has one of that role
	UseUnknown Use = "unknown" // ignored: neither Vitale nor CPS, or mute
	UseNoRule  Use = "no_rule" // of no use: the card policy has no profile for it
)

// CardStatus describes a card, never what is on it.
type CardStatus struct {
	Kind cards.Kind `json:"kind"`
	Role string     `json:"role,omitempty"` // "vitale" or "cps"
	Use  Use        `json:"use"`
	ATR  string     `json:"atr,omitempty"`  // of one that is unknown, or without a rule; upper-case hexadecimal
	Hold cards.Hold `json:"hold,omitempty"` // in a session; after one, if the card is not released yet

	// In a session whose PdT tells: programs there see the card. The PdT does not tell what becomes of its driver
	// later.
	Shown *bool `json:"shown,omitempty"`

	// In a session: when a command last reached the card, and how many in a row its reader has declined, if these are
	// cards.ManyDeclined or more.
	LastCommand time.Time `json:"last_command,omitzero"`
	Declined    int64     `json:"declined,omitempty"`

	// In a session: the card policy says that nothing of it is read ahead.
	NotAhead bool `json:"not_ahead,omitempty"`

	// Without a session: it was in when the last one ended, and still is, and nobody has tried to start another (5.1).
	Forgotten bool `json:"forgotten,omitempty"`
}

// Alive returns when the relay, its readers and its session have answered. It hangs as long as one of them does.
func (r *Relay) Alive() { r.Status() }

// Status returns the present status.
func (r *Relay) Status() Status {
	r.mu.Lock()
	l, last, pdts, policy, left := r.live, r.last, r.cfg.PdTs, r.cfg.Policy, r.left
	pending := r.taker.Pending() // without a session: what the one before has not released yet
	r.mu.Unlock()
	v := r.cfg.Readers.View()
	s := Status{State: StateIdle, PdT: pdts[0], PdTs: pdts, Bundle: r.cfg.bundleVersion(), PCSC: v.Service,
		Readers: []ReaderStatus{}, Last: last, PIN: r.desk.pending()}
	s.Hellos = r.settings().smallHellos()
	if l != nil {
		s.State, s.PdT, s.Session = l.state(), l.pdt.String(), l.status()
	}
	if r.cfg.Storage != nil {
		s.Storage = r.cfg.Storage()
	}
	for _, reader := range v.Readers {
		card := cardStatus(reader.Card, l, pending[reader.Name])
		if card != nil && card.Use == UseSlot && !policy.Knows(reader.Card.ATR) {
			card.Use, card.ATR = UseNoRule, reader.Card.ATR
		}
		if card != nil {
			card.Forgotten = l == nil && left[reader.Card.Number]
			card.NotAhead = l != nil && card.Use == UseSlot && !policy.ReadsAhead(reader.Card.ATR)
		}
		s.Readers = append(s.Readers, ReaderStatus{reader.Name, card})
	}
	if own, id, err := ourselves(r.cfg.Party); err != nil {
		s.Problem = err.Error()
	} else {
		s.Identity, s.Certificate = id.String(), own.NotAfter
		s.Renewal = r.renewal()
	}
	return s
}

func (r *Relay) renewal() *Renewal {
	if r.cfg.Renewal == nil {
		return nil
	}
	now := r.cfg.Renewal()
	return &now
}

func (l *live) status() *SessionStatus {
	s := &SessionStatus{ID: l.id.String(), Refused: l.refused.Load(), Resumed: l.resumed.Load()}
	if a := l.away.Load(); a != nil {
		s.LostSince, s.GraceUntil = a.since, a.until
	}
	if n := l.refusedIncident.Load(); n != nil {
		s.RefusedIncident = *n
	}
	if n := l.route.Load(); n != nil {
		s.Gateway, s.GatewayIdentity = n.gateway, n.peers[0].Identity.String()
		s.GatewayTLS, s.PdTTLS = &n.peers[0].TLS, &n.peers[1].TLS
		s.Since, s.Until = n.since, n.since.Add(l.cfg.Timers.Absolute)
		s.ReadAhead = n.terminal.Window()
		if read := n.terminal.Ahead(); read != (ahead.Counts{}) {
			s.Ahead = &read
		}
		s.Ask, s.Warning = l.foresee(n.since, time.Now())
	}
	return s
}

// cardStatus describes a card. Without a session, pending says what keeps the card from being released, if it is not
// yet.
func cardStatus(i cards.Insertion, l *live, pending cards.Hold) *CardStatus {
	switch {
	case i.Number == 0:
		return nil
	case !i.Usable:
		return &CardStatus{Kind: i.Kind, Use: UseUnknown, ATR: i.ATR}
	case !i.HasSlot:
		return &CardStatus{Kind: i.Kind, Role: i.Slot.String(), Use: UseSecond}
	}
	c := &CardStatus{Kind: i.Kind, Role: i.Slot.String(), Use: UseSlot, Shown: l.shows(i.Slot, i.Number)}
	if l == nil {
		c.Hold = pending
	} else if s := l.cardState(i.Slot, i.Number); s != nil {
		c.Hold = s.hold
		if s.lease != nil {
			c.LastCommand, c.Declined = s.lease.LastCommand(), s.lease.Declined()
		}
	}
	return c
}

// cardState returns what the session, if there is one, has of a card; nil = it has not tried to take it.
func (l *live) cardState(slot session.Slot, number uint64) *cardState {
	if l == nil {
		return nil
	}
	if s, _ := l.presenters[slot].state.get(); s != nil && s.insertion == number {
		return s
	}
	return nil
}
