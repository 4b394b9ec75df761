package policy_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"tlagate/session"
	"tlagate/tla/policy"
)

// twist is a change of the rules of read-ahead, which TestAheadIsTheSameAsWithout must find; the zero value is none.
type twist struct {
	card func(*modelCard)                            // what the card does otherwise, at hand, too
	more []policy.File                               // listed
	play []step                                      // that shows it; nil = any may
	with func(*policy.Guard, *modelCard) *twistGuard // what the guard of the card far away does
}

// guard returns the guard of a card.
func (w twist) guard(c *modelCard) session.AheadCard {
	if w.card != nil {
		w.card(c)
	}
	p := everything
	if w.more != nil {
		p = reading(slices.Concat(listed, w.more))
	}
	g := p.Guard(c, []byte{0x3B, 0x75}, policy.Hooks{})
	if w.with == nil {
		return g
	}
	return w.with(g, c)
}

// twistGuard is a guard that does some of it otherwise; nil = as ever.
type twistGuard struct {
	*policy.Guard
	ahead, transmit func(apdu []byte) ([]byte, error)
	gave            func(apdu, response []byte) (next []byte) // what to predict next; nil = as ever
	deaf            bool                                      // it is not told of lost takes
	predictor       *twistPredictor
}

func (g *twistGuard) Ahead(apdu []byte) ([]byte, error) {
	if g.ahead != nil {
		return g.ahead(apdu)
	}
	return g.Guard.Ahead(apdu)
}

func (g *twistGuard) Transmit(apdu []byte) ([]byte, error) {
	if g.transmit != nil {
		return g.transmit(apdu)
	}
	return g.Guard.Transmit(apdu)
}

func (g *twistGuard) Predictor() session.Predictor {
	if g.predictor == nil {
		g.predictor = &twistPredictor{Predictor: g.Guard.Predictor(), gave: g.gave, deaf: g.deaf}
	}
	return g.predictor
}

type twistPredictor struct {
	session.Predictor
	gave func(apdu, response []byte) (next []byte)
	next []byte
	deaf bool
}

func (p *twistPredictor) Missed() {
	if p.deaf {
		p.Lose()
		return
	}
	p.Predictor.Missed()
}

func (p *twistPredictor) Gave(apdu, response []byte) {
	p.Predictor.Gave(apdu, response)
	if p.gave != nil {
		p.next = p.gave(apdu, response)
	}
}

func (p *twistPredictor) Next() (apdu []byte, most int) {
	if apdu, p.next = p.next, nil; apdu != nil {
		return apdu, 258
	}
	return p.Predictor.Next()
}

func isFetch(apdu []byte) bool { return apdu[1] == 0xC0 }

// straight has the card execute predictions of an instruction without the guard.
func straight(g *policy.Guard, c *modelCard, ins byte) func([]byte) ([]byte, error) {
	return func(apdu []byte) ([]byte, error) {
		if apdu[1] == ins {
			return c.Ahead(apdu)
		}
		return g.Ahead(apdu)
	}
}

var twists = map[string]twist{
	"what was fetched is not kept": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, ahead: straight(g, c, 0xC0)}
	}},
	"it outlives another command": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		var kept, response []byte
		return &twistGuard{Guard: g, ahead: func(apdu []byte) ([]byte, error) {
			got, err := g.Ahead(apdu)
			if isFetch(apdu) {
				kept, response = slices.Clone(apdu), slices.Clone(got)
			}
			return got, err
		}, transmit: func(apdu []byte) ([]byte, error) {
			if kept != nil && string(apdu) == string(kept) {
				return slices.Clone(response), nil
			}
			return g.Transmit(apdu)
		}}
	}},
	"another length gets what there is": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, transmit: func(apdu []byte) ([]byte, error) {
			got, err := g.Transmit(apdu)
			if err == nil && isFetch(apdu) && got[0] == 0x6C {
				return g.Transmit([]byte{0, 0xC0, 0, 0, got[1]})
			}
			return got, err
		}}
	}},
	"a lost take takes nothing": {play: lostTake, with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, deaf: true}
	}},
	"a file is read while a response waits": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, ahead: straight(g, c, 0xB0), gave: func(apdu, response []byte) []byte {
			if apdu[1] == 0xA4 && len(response) == 2 && response[0] == 0x61 {
				return []byte{0, 0xB0, 0, 0, 16}
			}
			return nil
		}}
	}},
	"a record is read by the pointer": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, ahead: straight(g, c, 0xB2), gave: func(apdu, _ []byte) []byte {
			if apdu[1] == 0xB2 && apdu[3] == 4 {
				return []byte{0, 0xB2, 0, 2, 3}
			}
			return nil
		}}
	}},
	"numbers move the pointer, and the profile lists the file": {card: func(c *modelCard) { c.moves = true }},
	"a file is listed that may not always be read":             {more: []policy.File{{File: "D007", Read: 16}}},
	"any file is read": {with: func(g *policy.Guard, c *modelCard) *twistGuard {
		return &twistGuard{Guard: g, ahead: straight(g, c, 0xB0), gave: func(apdu, response []byte) []byte {
			if apdu[1] == 0xA4 && response[0] == 0x90 {
				return []byte{0, 0xB0, 0, 0, 24}
			}
			return nil
		}}
	}},
}

// lostTake has a program fetch twice what waits, when the link is lost with the first, if that takes a promise.
var lostTake = slices.Concat([]step{{do: "command", apdu: octets("00A4000002D002")}},
	slices.Repeat([]step{{do: "command", apdu: octets("00CA010006"), slot: 1}}, 5), []step{{do: "cut", way: 1}},
	slices.Repeat([]step{{do: "command", apdu: octets("00C0000006")}}, 2))

// TestAheadTestFindsWhatIsWrong: the comparison fails with each of these rules.
func TestAheadTestFindsWhatIsWrong(t *testing.T) {
	plays := rapid.Custom(steps)
	for name, how := range twists {
		t.Run(name, func(t *testing.T) {
			for seed := range 1000 {
				play := how.play
				if play == nil {
					play = plays.Example(seed)
				}
				if _, err := compare(t, play, how, map[string]int{}); err != nil {
					t.Logf("play %d: %.300s", seed, fmt.Sprint(err))
					return
				}
			}
			require.Fail(t, "nothing differs")
		})
	}
}
