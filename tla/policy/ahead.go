package policy

import (
	"fmt"

	"tlagate/session"
)

// Ahead says what may be read from a card before a program asks for it (docs/policy.md, "Read-ahead").
type Ahead struct {
	Reads Switch `yaml:"reads,omitempty" json:"reads,omitempty"` // the next part of a file; "" = on
	EOF   EOF    `yaml:"eof,omitempty" json:"eof,omitempty"`     // of a file whose length is not known; "" = stop
}

// Switch is on or off.
type Switch string

// The positions of a switch.
const (
	On  Switch = "on"
	Off Switch = "off"
)

// EOF says what follows when a prediction went past the end of a file.
type EOF string

// The ways to find the end of a file.
const (
	Stop  EOF = "stop"  // nothing more is predicted until another card is put in
	Probe EOF = "probe" // the card takes it well: each file may be probed
)

func (w Profile) checkAhead() error {
	switch {
	case w.Ahead.Reads != "" && w.Ahead.Reads != On && w.Ahead.Reads != Off:
		return fmt.Errorf("ahead: reads: %q is none of %s, %s", w.Ahead.Reads, On, Off)
	case w.Ahead.EOF != "" && w.Ahead.EOF != Stop && w.Ahead.EOF != Probe:
		return fmt.Errorf("ahead: eof: %q is none of %s, %s", w.Ahead.EOF, Stop, Probe)
	}
	return nil
}

// mayBeAhead reports whether the command reads the current file, or a data object, and does nothing else: whatever a
// predictor says, no other is a prediction.
func (c command) mayBeAhead() bool {
	reads := c.ins == insReadBinary && c.p1&sfiBit == 0 || c.ins == insGetData
	return c.cla == 0 && reads && len(c.data) == 0 && c.le > 0
}

// Predictor implements session.AheadCard.
func (g *Guard) Predictor() session.Predictor { return g.predictor }

// Ahead implements session.AheadCard: a prediction passes the same rules as a command (C1). What they refuse is not
// told, and does not reach the card.
func (g *Guard) Ahead(apdu []byte) ([]byte, error) {
	c, err := parse(apdu)
	if err != nil || !c.mayBeAhead() || g.chain != nil || g.decide(c, false).Action != Allow {
		return nil, session.ErrNotAhead
	}
	send := g.card.Transmit
	if quiet, ok := g.card.(interface {
		Ahead(apdu []byte) ([]byte, error)
	}); ok {
		send = quiet.Ahead
	}
	response, err := send(apdu)
	g.note(c, response, err)
	return response, err
}
