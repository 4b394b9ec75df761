package policy

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tlagate/session"
	"tlagate/tla/pin"
)

// Guard stands between a session and a card: it answers itself what the policy does not allow. It follows which
// application is selected on which logical channel: only a successful SELECT changes that, and a reset clears it. It
// implements session.Card; as with any, its methods are called one at a time.
type Guard struct {
	card    session.Card
	profile *profile // nil = nothing is allowed
	hooks   Hooks
	decided func(Verdict) // called with each verdict; nil = nothing is

	apps map[int]string // by open channel: AID; "" = none
	// by channel, the class of a command whose response waits to be fetched with GET RESPONSE (T=0)
	pending   map[int]byte
	chain     *chain // nil = none under way
	predictor *predictor
	fetched   *fetched   // by a prediction
	keys      *proofKeys // of the card's proofs
}

// unknown stands for an application when it is not known which is selected; no rule names it.
const unknown = "?"

// Hooks are what a guard calls; each may be nil.
type Hooks struct {
	// Refused is called for each refusal.
	Refused func(Verdict)
	// Verify asks the terminal's user for a PIN and has the card verify it: header is CLA INS P1 P2 of the VERIFY to be
	// made. It returns the card's status word. Nil: no PIN can be used.
	Verify func(header [4]byte, f pin.Format) ([]byte, error)
	// Signed is called after each command that may have signed with the key of a proof.
	Signed func()
	// Fetched is called for each command that is answered from what a prediction fetched.
	Fetched func()
}

// Guard returns a guard that puts the policy before a card, just reset, with that ATR.
func (p *Policy) Guard(card session.Card, atr []byte, hooks Hooks) *Guard {
	g := &Guard{card: card, profile: p.profileOf(atr), hooks: hooks, fetched: new(fetched)}
	g.predictor = newPredictor(g.profile, g.fetched)
	g.keys = newProofKeys(g.profile != nil && g.profile.reserved, p.Applications(atr))
	g.forget()
	return g
}

func (g *Guard) forget() {
	g.apps, g.pending = map[int]string{0: ""}, map[int]byte{}
	g.keys.forget()
	g.dropChain()
	g.fetched.drop()
}

// Reset resets the card, and with it what is selected; a reset that fails may have done so, too.
func (g *Guard) Reset(kind session.ResetKind) ([]byte, error) {
	g.forget()
	atr, err := g.card.Reset(kind)
	if err != nil {
		g.apps = map[int]string{} // or it may have left all as it was
	}
	return atr, err
}

// Transmit sends a command to the card if the policy allows it, else it answers with a status word.
func (g *Guard) Transmit(apdu []byte) ([]byte, error) {
	g.learn()
	c, err := parse(apdu)
	if err != nil {
		g.dropChain()
		return g.refuse(unread(apdu), Verdict{Action: Refuse, Why: err.Error(), Answer: swWrongLength})
	}
	if c.chained() || g.chain.continuedBy(c) {
		return g.part(c, apdu)
	}
	g.dropChain()
	if v := g.judge(c, false); v.Action != Allow {
		return g.refuse(c, v)
	}
	response, ok := g.fetched.answer(c, apdu)
	if ok {
		if g.hooks.Fetched != nil {
			g.hooks.Fetched()
		}
		g.note(c, response, nil)
		return response, nil
	}
	return g.transmit(c, apdu)
}

// transmit has the card execute a command. A GET RESPONSE that was to fetch what a prediction has fetched, but not in
// the same way, is judged anew: nothing waits at the card.
func (g *Guard) transmit(c command, apdu []byte) ([]byte, error) {
	if g.learn() && c.ins == insGetResponse {
		if v := g.decide(c, false); v.Action != Allow {
			return g.refuse(c, v)
		}
	}
	response, err := g.card.Transmit(apdu)
	g.note(c, response, err)
	return response, err
}

// loseFetched is called before the card executes something else.
func (g *Guard) loseFetched() {
	g.fetched.lose()
	g.learn()
}

// learn takes in what became of what a prediction fetched, and reports whether nothing waits any more.
func (g *Guard) learn() (over bool) {
	went, more := g.fetched.settle()
	if over = went && !more; over {
		delete(g.pending, 0)
	}
	return over
}

// judge lets a GET RESPONSE pass that fetches the response of an allowed command; the table decides on all others.
func (g *Guard) judge(c command, chained bool) (v Verdict) {
	v = g.decide(c, chained)
	g.tell(v)
	return v
}

// decide decides, and tells nobody.
func (g *Guard) decide(c command, chained bool) (v Verdict) {
	if g.fetches(c) {
		return Verdict{Action: Allow, Why: "it fetches the response of an allowed command"}
	}
	v = g.profile.judge(c, g.app(c.channel()), chained)
	if v.Action == Allow {
		v = g.keys.judge(c, v, g.profile.refuse)
	}
	return v
}

// fetches reports whether c is a GET RESPONSE for the response that waits on its channel. A proprietary class must be
// that of the command: what another one means, only the card knows.
func (g *Guard) fetches(c command) bool {
	class, waits := g.pending[c.channel()]
	return waits && c.ins == insGetResponse && len(c.data) == 0 && !c.secure() && c.validClass() &&
		(!c.proprietary() || c.cla == class)
}

func (g *Guard) app(channel int) string {
	if app, open := g.apps[channel]; open {
		return app
	}
	return unknown
}

// maxAID is the longest AID (ISO 7816-4, 12.2.3).
const maxAID = 16

// named returns the name of an application for people.
func named(app string) string {
	switch {
	case app == "":
		return none
	case app == unknown || len(app) > maxAID: // what is too long for an AID may be anything
		return "unknown"
	}
	return strings.ToUpper(hex.EncodeToString([]byte(app)))
}

func (g *Guard) tell(v Verdict) {
	if g.decided != nil {
		g.decided(v)
	}
}

// refuse answers in the card's place.
func (g *Guard) refuse(c command, v Verdict) ([]byte, error) {
	v.Header = fmt.Sprintf("%02X%02X%02X%02X", c.cla, c.ins, c.p1, c.p2)
	v.Lc, v.Le, v.App = len(c.data), c.le, named(g.app(c.channel()))
	g.tell(v)
	if g.hooks.Refused != nil {
		g.hooks.Refused(v)
	}
	return []byte{v.Answer[0], v.Answer[1]}, nil
}

// note takes in what a command has changed.
func (g *Guard) note(c command, response []byte, err error) {
	if g.hooks.Signed != nil && (err != nil || succeeded(response)) && g.keys.mayUse(c) {
		g.hooks.Signed()
	}
	g.keys.note(c, response, err)
	channel := c.channel()
	sw1, _ := status(response)
	switch again := c.ins == insGetResponse && sw1 == 0x6C; { // again: the response still waits to be fetched
	case err != nil || again:
	case sw1 == 0x61:
		g.pending[channel] = c.cla
	default:
		delete(g.pending, channel)
	}
	done := err == nil && succeeded(response)
	switch {
	case c.ins == insSelect && done:
		g.selected(c)
	case c.ins == insSelect && (err != nil || !failed(response)):
		g.apps[channel] = unknown // it may have been executed
	case c.ins == insManageChannel && (done || err != nil):
		g.managed(c, response, err)
	case c.hides():
		g.apps = map[int]string{} // only the card knows what it was, and on which channel
	case c.ins != insGetResponse && c.secure():
		g.apps[channel] = unknown
	}
}

// selected takes in a SELECT.
func (g *Guard) selected(c command) { g.apps[c.channel()] = c.selects(g.app(c.channel())) }

// selects returns which application is selected after a SELECT that succeeded (ISO 7816-4, 11.2.2), and before it app.
func (c command) selects(app string) string {
	switch {
	case c.secure() || c.proprietary():
		return unknown
	case c.p1 == 0x04 && c.p2&0x03 == 0 && len(c.data) > 0: // by name, first or only occurrence
		return string(c.data)
	case c.p1 == 0x00 && (len(c.data) == 0 || string(c.data) == "\x3F\x00"): // the master file
		return ""
	case c.p1 == 0x00, c.p1 == 0x01, c.p1 == 0x02, c.p1 == 0x09: // a file of what is selected
		return app
	}
	return unknown // parent, path from the master file, next occurrence, and whatever else there is
}

// managed takes in a MANAGE CHANNEL (ISO 7816-4, 11.1.2).
func (g *Guard) managed(c command, response []byte, err error) {
	number := int(c.p2)
	switch {
	case err != nil:
		g.apps, g.pending = map[int]string{}, map[int]byte{} // which channels are open is not known
	case c.p1 == 0x80: // close
		if number == 0 {
			number = c.channel()
		}
		delete(g.apps, number)
		delete(g.pending, number)
	case c.p1 == 0x00: // open: the card chooses a number unless one is given
		if number == 0 && len(response) > 2 {
			number = int(response[0])
		}
		if number != 0 { // else it is not known which channel is new
			g.apps[number] = g.opened(c.channel())
		}
	}
}

// opened returns what a new channel has selected: opened from the basic channel, nothing; from another, what that one
// has.
func (g *Guard) opened(from int) string {
	if from == 0 {
		return ""
	}
	return g.app(from)
}
