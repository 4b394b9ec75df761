package policy

import (
	"encoding/hex"
	"strings"
	"testing"

	"tlagate/session"
)

// judgeCard is a card with applications A and B, a sensitive C that nothing allows, and files. It judges by itself
// whether a command may reach it, by code that has nothing in common with the guard's, on purpose.
type judgeCard struct {
	selected map[byte]string // by channel; "" = the master file
	inChain  string          // header of the chain under way
	waiting  map[byte]byte   // by channel, for GET RESPONSE: class of the command
	fails    byte            // it fails every so many commands
	count    byte
	wrong    string // the first command that should not have come
}

const aidC = "A000000003000000"

// may reports whether the policy of the fuzz test allows a command, as the card sees it.
func (c *judgeCard) may(apdu []byte) bool {
	cla, ins := apdu[0], apdu[1]
	channel, plain := channelOf(cla)
	if cla == 0x80 {
		return ins == 0xCA || ins == 0xC0 && c.waiting[0] == 0x80
	}
	if !plain {
		return false
	}
	app, open := c.selected[channel]
	whole := strings.ToUpper(hex.EncodeToString(apdu))
	switch {
	case ins == 0xC0:
		_, waits := c.waiting[channel]
		return waits
	case cla&0x10 != 0 || c.inChain != "":
		return open && app == aidB && ins == 0x2A && apdu[2] == 0x9E && apdu[3] == 0x9A
	case ins == 0x2A:
		return open && app == aidB && apdu[2] == 0x9E && apdu[3] == 0x9A
	case ins == 0xA4:
		return apdu[2] == 4 && apdu[3] == 0 &&
			(strings.HasPrefix(whole[10:], aidA) || strings.HasPrefix(whole[10:], aidB)) ||
			apdu[2] == 0 && apdu[3] == 0 && whole[8:14] == "023F00"
	case ins == 0xB0:
		return open && app == aidA
	case ins == 0x70:
		return apdu[2]&0x7F == 0
	}
	return false
}

// channelOf returns the channel of the classes 000k sscc and 01sk cccc: s is secure messaging, k chaining, c the
// channel.
func channelOf(cla byte) (channel byte, plain bool) {
	switch cla >> 5 {
	case 0:
		return cla & 3, cla&0x0C == 0
	case 2:
		return cla&15 + 4, true
	}
	return 0, false
}

// Transmit judges a command, and plays the card.
func (c *judgeCard) Transmit(apdu []byte) ([]byte, error) {
	if c.wrong == "" && !c.may(apdu) {
		c.wrong = hex.EncodeToString(apdu)
	}
	channel, _ := channelOf(apdu[0])
	ins := apdu[1]
	delete(c.waiting, channel)
	if c.inChain = ""; apdu[0]&0x10 != 0 {
		c.inChain = string(apdu[1:4])
		return []byte{0x90, 0}, nil
	}
	if c.count++; c.fails > 0 && c.count%c.fails == 0 {
		return []byte{0x6A, 0x82}, nil
	}
	switch {
	case apdu[0] == 0x80 && ins == 0xCA:
		c.waiting[0] = 0x80
		return []byte{0x61, 0x10}, nil
	case ins == 0xA4 && apdu[2] == 4:
		c.selected[channel] = strings.ToUpper(hex.EncodeToString(apdu[5 : 5+int(apdu[4])]))
		c.waiting[channel] = apdu[0]
		return []byte{0x61, 0x10}, nil
	case ins == 0xA4:
		c.selected[channel] = ""
	case ins == 0x70 && apdu[2] == 0:
		if apdu[3] == 0 || apdu[3] == 1 {
			c.selected[1] = c.selected[channel]
			if channel == 0 {
				c.selected[1] = ""
			}
			return []byte{1, 0x90, 0}, nil
		}
		return []byte{0x6A, 0x81}, nil
	case ins == 0x70:
		if apdu[3] == 1 || apdu[3] == 0 && channel == 1 {
			delete(c.selected, 1)
		}
	}
	return []byte{0x90, 0}, nil
}

// Reset forgets all.
func (c *judgeCard) Reset(session.ResetKind) ([]byte, error) {
	c.selected, c.waiting, c.inChain = map[byte]string{0: ""}, map[byte]byte{}, ""
	return []byte{0x3B, 0xAC}, nil
}

var fuzzTable = Table{Version: 1, Profiles: []Profile{{Name: "fuzz", Cards: []string{"3BAC"}, Ahead: Ahead{EOF: Probe,
	Responses: On, Files: []File{{File: "3F00", Read: 16}}}, Rules: []Rule{
	{Name: "select", CLA: "00", INS: "A4", P1: "04", P2: "00", Data: []string{aidA, aidB}, Action: Allow},
	{Name: "master file", CLA: "00", INS: "A4", P1: "00", P2: "00", Data: []string{"3F00"}, Action: Allow},
	{Name: "read", CLA: "00", INS: "B0", Apps: []string{aidA}, Action: Allow},
	{Name: "sign", CLA: "00", INS: "2A", P1: "9E", P2: "9A", Apps: []string{aidB}, Chained: true, Action: Allow},
	{Name: "channels", CLA: "00", INS: "70", P1: "00/7F", Lc: "0", Action: Allow},
	{Name: "proprietary", CLA: "80", INS: "CA", Action: Allow},
}}}}

// play sends what the octets say, and what is predicted after it: length and APDU, repeatedly; length 0 is a reset.
func play(g *Guard, script []byte) {
	for len(script) > 0 {
		n := int(script[0])
		script = script[1:]
		if n == 0 {
			_, _ = g.Reset(session.ResetWarm)
			continue
		}
		n = min(n, len(script))
		response, _ := g.Transmit(script[:n])
		g.predictor.Gave(script[:n], response)
		g.predict(n % 4)
		script = script[n:]
	}
}

// predict has the card execute so many predictions, of which the program takes none.
func (g *Guard) predict(n int) {
	for range n {
		apdu, _ := g.predictor.Next()
		if apdu == nil {
			return
		}
		if response, err := g.Ahead(apdu); err == nil {
			g.predictor.Predicted(apdu, response)
		}
	}
	g.predictor.Drop()
}

func script(apdus ...string) []byte {
	var out []byte
	for _, a := range apdus {
		raw, _ := hex.DecodeString(a)
		out = append(append(out, byte(len(raw))), raw...)
	}
	return out
}

// FuzzGuard: nothing that the table denies ever reaches the card, whatever is sent, in whatever order, on whatever
// channel (C1).
func FuzzGuard(f *testing.F) {
	f.Add(byte(0), script(sel(aidA), "00B0000010", "0070000001", "01B0000010", "01A404000B"+aidA, "01B0000010"))
	f.Add(byte(0), script(sel(aidB), "102A9E9A0101", "002A9E9A0102", "00C0000010", "00B0000010", "", "002A9E9A0102"))
	f.Add(byte(2), script(sel(aidA), sel(aidB), "00B0000010", "00A40000023F00", "00B0000010", sel(aidC), "00B0000010"))
	f.Add(byte(3), script(sel(aidB), "102A9E9A0101", "10B00000 01 01", "0CB0000000", "00C2000001AA", "80B0000000",
		"40B0000010"))
	f.Add(byte(0), script("80CA000000", "80C0000010", "80C0000010", sel(aidA), "80C0000010", "80CA000000", "90C0000010",
		"80B0000000"))
	p, err := Compile(fuzzTable)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, fails byte, octets []byte) {
		card := &judgeCard{fails: fails}
		_, _ = card.Reset(session.ResetCold)
		play(p.Guard(card, []byte{0x3B, 0xAC}, Hooks{}), octets)
		if card.wrong != "" {
			t.Fatalf("%s reached the card", card.wrong)
		}
	})
}

// TestC1TheFuzzedCardFindsAHole: the card's own judgement would expose a guard that lets something pass.
func TestC1TheFuzzedCardFindsAHole(t *testing.T) {
	for _, hole := range []Rule{
		{Name: "hole", INS: "B0", Action: Allow},
		{Name: "hole", INS: "A4", Action: Allow},
		{Name: "hole", Apps: []string{"none"}, INS: "2A", Chained: true, Action: Allow},
	} {
		table := Table{Version: 1, Profiles: []Profile{{Name: "x", Cards: []string{"3BAC"}, Rules: []Rule{hole}}}}
		p, err := Compile(table)
		if err != nil {
			t.Fatal(err)
		}
		card := &judgeCard{selected: map[byte]string{0: ""}, waiting: map[byte]byte{}}
		play(p.Guard(card, []byte{0x3B, 0xAC}, Hooks{}), script("00B0000010", sel(aidC), "", "102A9E9A0101",
			"002A9E9A0102"))
		if card.wrong == "" {
			t.Fatalf("the card let %+v pass", hole)
		}
	}
}
