package policy

import (
	"errors"
	"fmt"

	"tlagate/session"
)

// Ahead says what may be read from a card before a program asks for it (docs/policy.md, "Read-ahead").
type Ahead struct {
	Reads Switch `yaml:"reads,omitempty" json:"reads,omitempty"` // the next part of a file; "" = on
	EOF   EOF    `yaml:"eof,omitempty" json:"eof,omitempty"`     // of a file whose length is not known; "" = stop
	// the response of a command, where the card says that it is to be fetched (61xx); "" = off
	Responses Switch `yaml:"responses,omitempty" json:"responses,omitempty"`
	Files     []File `yaml:"files,omitempty" json:"files,omitempty"` // of which more is read
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

func (s Switch) check() error {
	if s != "" && s != On && s != Off {
		return fmt.Errorf("%q is none of %s, %s", s, On, Off)
	}
	return nil
}

func (e EOF) check() error {
	if e != "" && e != Stop && e != Probe {
		return fmt.Errorf("%q is none of %s, %s", e, Stop, Probe)
	}
	return nil
}

// readAhead reads what the profile says of read-ahead.
func (p *profile) readAhead(w Ahead) (err error) {
	for _, field := range []struct {
		name string
		err  error
	}{{"reads", w.Reads.check()}, {"eof", w.EOF.check()}, {"responses", w.Responses.check()}} {
		if field.err != nil {
			return fmt.Errorf("ahead: %s: %w", field.name, field.err)
		}
	}
	if w.Reads == Off && (w.Responses == On || len(w.Files) > 0) {
		return errors.New("ahead: reads: off is for nothing at all: leave out responses and files")
	}
	if p.files, err = readFiles(w.Files); err != nil {
		return fmt.Errorf("ahead: %w", err)
	}
	p.ahead = w
	return nil
}

// mayBeAhead reports whether the command reads the current file, or a data object, or fetches what waits, and does
// nothing else: whatever a predictor says, no other is a prediction. While something waits at the card, no other is.
func (g *Guard) mayBeAhead(c command) bool {
	if g.profile == nil || c.cla != 0 || len(c.data) > 0 || c.le == 0 || g.chain != nil {
		return false
	}
	_, pending := g.pending[0]
	waits := pending && !g.fetched.has()
	switch c.ins {
	case insReadBinary:
		return c.p1&sfiBit == 0 && !waits
	case insReadRecord:
		return c.byNumber() && len(g.profile.files) > 0 && !waits
	case insGetResponse:
		return g.profile.ahead.Responses == On && waits
	}
	return c.ins == insGetData && !waits
}

// Predictor implements session.AheadCard.
func (g *Guard) Predictor() session.Predictor { return g.predictor }

// Ahead implements session.AheadCard: a prediction passes the same rules as a command (C1). What they refuse is not
// told, and does not reach the card.
func (g *Guard) Ahead(apdu []byte) ([]byte, error) {
	g.learn()
	c, err := parse(apdu)
	if err != nil || !g.mayBeAhead(c) || g.decide(c, false).Action != Allow {
		return nil, session.ErrNotAhead
	}
	send := g.card.Transmit
	if quiet, ok := g.card.(interface {
		Ahead(apdu []byte) ([]byte, error)
	}); ok {
		send = quiet.Ahead
	}
	response, err := send(apdu)
	g.noteAhead(c, apdu, response, err)
	return response, err
}

// noteAhead takes in what a prediction has changed. For programs, what it fetched still waits at the card.
func (g *Guard) noteAhead(c command, apdu, response []byte, err error) {
	sw1, _ := status(response)
	switch {
	case c.ins == insGetResponse && err == nil && sw1 != 0 && sw1 != 0x6C:
		g.fetched.put(apdu, response)
	case c.ins == insGetResponse, g.fetched.has():
	default:
		g.note(c, response, err)
	}
}
