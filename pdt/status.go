package pdt

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"tlagate/pki"
	"tlagate/pki/trust"
	"tlagate/session/ahead"
)

// Status is what `tla-pdt status --json` shows.
type Status struct {
	Identity     string          `json:"identity"`
	Since        time.Time       `json:"since"`
	Healthy      bool            `json:"healthy"`
	Problems     []string        `json:"problems"`           // why not healthy, one sentence each
	Warnings     []string        `json:"warnings,omitempty"` // what is going to be a problem
	Certificates []Certificate   `json:"certificates"`
	Gateways     []GatewayStatus `json:"gateways"`
	Session      *SessionStatus  `json:"session"` // null: none
	Slots        []SlotStatus    `json:"slots"`
}

// Certificate is one of our certificates.
type Certificate struct {
	Use      string    `json:"use"` // "client" (outer links) or "server" (card sessions)
	NotAfter time.Time `json:"not_after"`
}

// GatewayStatus says how we stand with one gateway.
type GatewayStatus struct {
	Address  string    `json:"address"`            // host:port
	Identity string    `json:"identity,omitempty"` // once proven
	State    string    `json:"state"`              // "parked", "connecting" or "waiting" (for the next attempt)
	Parked   int       `json:"parked"`             // links
	Reason   string    `json:"reason,omitempty"`   // of the last failure, one word
	Error    string    `json:"error,omitempty"`    // the same in full
	RetryAt  time.Time `json:"retry_at,omitzero"`  // when waiting

	TLS *pki.Negotiated `json:"tls,omitempty"` // of the link that was parked last, while one is

	// WithoutHybrids is until when the gateway, which did not answer hellos with post-quantum groups, is sent none.
	WithoutHybrids time.Time `json:"without_hybrids_until,omitzero"`
}

// SessionStatus is the session that has the readers.
type SessionStatus struct {
	ID       string    `json:"id"`
	TLA      string    `json:"tla"` // identity
	Gateway  string    `json:"gateway"`
	Since    time.Time `json:"since"`
	Lost     time.Time `json:"lost,omitzero"` // since when it has no link, and waits for the terminal to come back
	Resumed  int       `json:"resumed"`       // how often the terminal did
	Commands uint64    `json:"commands"`
	Resets   uint64    `json:"resets"`

	// how many answers of a card the TLA may send before programs ask for them, as both ends agreed; absent = none
	ReadAhead int           `json:"read_ahead,omitempty"`
	Ahead     *ahead.Counts `json:"ahead,omitempty"` // how many came, and what became of them; absent = none

	TLS pki.Negotiated `json:"tls"` // with the TLA, on the link of now or the last one

	User *UserStatus `json:"user"` // who uses the TLA; null: nobody whom this Poste de Travail verified
}

// UserStatus is a person who uses a TLA: their card proved it.
type UserStatus struct {
	Identifier string    `json:"identifier"`           // national
	Profession string    `json:"profession,omitempty"` // as the certificate has it
	At         time.Time `json:"at"`                   // when it was verified
}

// SlotStatus is the state of one slot.
type SlotStatus struct {
	Slot   int          `json:"slot"`
	Role   string       `json:"role"` // "vitale" or "cps"
	Card   bool         `json:"card"` // one is in the terminal
	ATR    string       `json:"atr,omitempty"`
	Failed int64        `json:"failed,omitempty"` // commands in a row that the terminal's reader did not execute
	Driver *DriverState `json:"driver,omitempty"` // null: no virtual reader driver
}

// status returns the state of the service now.
func (s *Service) status() Status {
	st := Status{Identity: s.us.String(), Since: s.began, Problems: []string{}}
	st.Certificates = []Certificate{ownCertificate("client", s.cfg.Client), ownCertificate("server", s.cfg.Server)}
	for _, g := range s.gateways {
		st.Gateways = append(st.Gateways, g.status())
	}
	if c := s.session(); c != nil {
		st.Session = c.status()
	}
	for _, slot := range s.slots {
		st.Slots = append(st.Slots, slot.status())
	}
	if s.cfg.Warnings != nil {
		st.Warnings = s.cfg.Warnings()
	}
	st.judge(time.Now())
	return st
}

// manyFailed is how many failed commands in a row are worth a warning.
const manyFailed = 3

// judge finds what keeps a TLA from using its cards here.
func (st *Status) judge(now time.Time) {
	for _, c := range st.Certificates {
		if now.After(c.NotAfter) {
			st.problem("The %s certificate ended on %s.", c.Use, c.NotAfter.Format(time.RFC3339))
		}
	}
	if st.Session == nil && !st.reachable() {
		st.problem("No gateway has a parked link of this Poste de Travail.")
	}
	for _, slot := range st.Slots {
		if slot.Failed >= manyFailed {
			st.Warnings = append(st.Warnings, fmt.Sprintf(
				"The terminal's reader did not execute the last %d commands for the %s card: "+
					"take the card out and insert it again, or use another reader.", slot.Failed, slot.Role))
		}
		if d := slot.Driver; d != nil && d.Error != "" && d.Connected {
			st.Warnings = append(st.Warnings, fmt.Sprintf("The %s slot has a reader driver, and another is turned "+
				"away: %s.", slot.Role, d.Error))
		} else if d != nil && d.Error != "" {
			st.problem("The reader driver of the %s slot cannot be reached: %s.", slot.Role, d.Error)
		}
	}
	if n := st.foreign(); n > 0 {
		st.Warnings = append(st.Warnings, fmt.Sprintf("Accounts that may not be the reader driver tried %d times, the "+
			"last was %s; they got nothing: find out who that is.", n, st.Slots[0].Driver.Stranger))
	}
	st.Healthy = len(st.Problems) == 0
}

// foreign returns how often accounts that may not be the driver tried.
func (st *Status) foreign() uint64 {
	if len(st.Slots) == 0 || st.Slots[0].Driver == nil {
		return 0
	}
	return st.Slots[0].Driver.Foreign
}

func (st *Status) problem(format string, args ...any) {
	st.Problems = append(st.Problems, fmt.Sprintf(format, args...))
}

func (st *Status) reachable() bool {
	for _, g := range st.Gateways {
		if g.Parked > 0 {
			return true
		}
	}
	return false
}

func ownCertificate(use string, p trust.Party) Certificate {
	return Certificate{use, p.Certificate().Leaf.NotAfter}
}

func (g *gateway) status() GatewayStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	st := GatewayStatus{Address: g.address, Identity: g.peer.String(), State: "connecting", Parked: g.parked,
		WithoutHybrids: g.s.cfg.Client.Hybrids.Until(g.address)}
	if g.last != nil {
		st.Reason, st.Error = reasonOf(g.last), g.last.Error()
	}
	if next := g.retry.at(); g.parked > 0 {
		tls := g.tls
		st.State, st.TLS = "parked", &tls
	} else if time.Now().Before(next) {
		st.State, st.RetryAt = "waiting", next
	}
	return st
}

func (c *cardSession) status() *SessionStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &SessionStatus{ID: c.id, TLA: c.tla.String(), Gateway: c.gateway, Since: c.began, Lost: c.lost,
		Resumed: c.resumed, ReadAhead: c.w.Window(),
		Commands: c.count.commands.Load(), Resets: c.count.resets.Load(), TLS: c.tls, User: c.user.status()}
	if came := c.w.Ahead(); came != (ahead.Counts{}) {
		s.Ahead = &came
	}
	return s
}

func (p person) status() *UserStatus {
	if p.Person == nil {
		return nil
	}
	return &UserStatus{p.ID, p.Profession, p.at}
}

func (s *slot) status() SlotStatus {
	st := SlotStatus{Slot: int(s.number), Role: s.number.String()}
	if card := s.present(); card != nil {
		st.Card, st.ATR, st.Failed = true, strings.ToUpper(hex.EncodeToString(card.ATR())), card.failed.Load()
	}
	if d, ok := s.reader.(interface{ State() DriverState }); ok {
		state := d.State()
		st.Driver = &state
	}
	return st
}
