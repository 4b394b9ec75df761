// Package relaytest has the states of a relay that the tests of its command, screen and words start from.
package relaytest

import (
	"time"

	"tlagate/tla"
	"tlagate/tla/cards"
)

// Noon is the time on the screens of the tests.
var Noon = time.Date(2026, 11, 28, 9, 5, 0, 0, time.UTC)

// The parties.
const (
	TLA     = "urn:tlagate:cabinet:tla:valise"
	PdT     = "urn:tlagate:cabinet:pdt:bureau"
	Gateway = "urn:tlagate:operateur:gateway:gw1"
)

// twoCards returns a CPS card and a Vitale card; if they are taken, the Vitale card was read just now.
func twoCards(hold cards.Hold) []tla.ReaderStatus {
	list := []tla.ReaderStatus{
		{Name: "Terminal 00 00", Card: &tla.CardStatus{Kind: cards.KindCPS4, Role: "cps", Use: tla.UseSlot,
			Hold: hold}},
		{Name: "Terminal 00 01", Card: &tla.CardStatus{Kind: cards.KindVitale2, Role: "vitale", Use: tla.UseSlot,
			Hold: hold}},
	}
	if hold == cards.HoldTaken {
		list[0].Card.Shown, list[1].Card.Shown = new(true), new(true)
		list[1].Card.LastCommand = Noon
	}
	return list
}

// Idle returns the status of a terminal without a session.
func Idle() tla.Status {
	return tla.Status{State: tla.StateIdle, PdT: "bureau", PdTs: []string{"bureau"}, Identity: TLA,
		Certificate: Noon.Add(200 * 24 * time.Hour), Readers: twoCards(cards.HoldNone)}
}

// InSession returns the status of a terminal with a session.
func InSession(state tla.State) tla.Status {
	s := Idle()
	s.State, s.PdT, s.Readers = state, PdT, twoCards(cards.HoldTaken)
	s.Session = &tla.SessionStatus{ID: "0123", Gateway: "gw1.operateur.example:8443", GatewayIdentity: Gateway,
		Since: Noon, Until: Noon.Add(11*time.Hour + 42*time.Minute)}
	return s
}

// Ended returns the status of a terminal whose last session ended so; started says that it was up.
func Ended(why tla.Why, started bool) tla.Status {
	s := Idle()
	s.Last = &tla.End{Why: why, At: Noon.Add(-time.Minute), Started: started}
	return s
}

// Asked returns the status of a terminal at which a PIN is asked for.
func Asked(tries int, pad bool) tla.Status {
	s := InSession(tla.StateUp)
	s.PIN = &tla.PINRequest{Number: 1, Slot: "cps", PdT: PdT, Min: 4, Max: 8, Tries: tries,
		Until: Noon.Add(45 * time.Second), Pad: pad}
	return s
}

// AskedForStart returns the status of a terminal at which a PIN is asked for to start a session.
func AskedForStart() tla.Status {
	s := Asked(3, false)
	s.State, s.Session, s.PIN.For = tla.StateStarting, &tla.SessionStatus{ID: "0123"}, tla.PINForStart
	return s
}

// Rehearsed returns a rehearsal; unless it is ok, the gateway did not answer.
func Rehearsed(ok bool) *tla.Rehearsal {
	c := &tla.Rehearsal{OK: ok, Items: []tla.RehearsalItem{
		{Item: tla.ItemClock, OK: true}, {Item: tla.ItemReaders, OK: true, Names: []string{"a", "b"}},
		{Item: tla.ItemCards, OK: true, Names: []string{"cps4"}}, {Item: tla.ItemCertificate, OK: true,
			Until: Noon.Add(200 * 24 * time.Hour)},
		{Item: tla.ItemBundle, OK: true, Version: 12}, {Item: tla.ItemLink, OK: true}, {Item: tla.ItemPdT, OK: true}}}
	if !ok {
		why := &tla.Why{Code: tla.CodeUnreachable, Gateway: "gw1.operateur.example:8443", Incident: "H4W8"}
		c.Incident, c.Items[5] = why.Incident, tla.RehearsalItem{Item: tla.ItemLink, Error: why}
		c.Items[6] = tla.RehearsalItem{Item: tla.ItemPdT, Skipped: true}
	}
	return c
}
