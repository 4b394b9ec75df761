package policy

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strings"

	"tlagate/session"
	"tlagate/tla/pin"
)

// Explained says what becomes of one command of a list.
type Explained struct {
	Verdict
	Number  int    // of the command, from 1
	Command string // its header, hexadecimal; never its data
	Ahead   string // the command that is read ahead after it, hexadecimal; "" = none
}

// String returns a line for people.
func (e Explained) String() string {
	text := fmt.Sprintf("%d. %s: %s", e.Number, e.Command, e.Action)
	if e.Action != Allow {
		text += " " + hex.EncodeToString(e.Answer[:])
	}
	for _, part := range []struct{ word, value string }{{"profile", e.Profile}, {"rule", e.Rule}} {
		if part.value != "" {
			text += fmt.Sprintf(", %s %q", part.word, part.value)
		}
	}
	text += " (" + e.Why + ")"
	if e.Ahead != "" {
		text += ", then " + e.Ahead + " is read ahead"
	}
	return text
}

// ExplainAhead returns what each profile has read ahead, in lines for people.
func (p *Policy) ExplainAhead() (lines []string) {
	for _, candidate := range p.profiles {
		a := candidate.ahead
		text := fmt.Sprintf("profile %q: reads %s", candidate.name, cmp.Or(a.Reads, On))
		if a.Reads != Off {
			text += fmt.Sprintf(", eof %s, responses %s", cmp.Or(a.EOF, Stop), cmp.Or(a.Responses, Off))
		}
		lines = append(lines, text)
		for _, f := range a.Files {
			lines = append(lines, "  "+f.String())
		}
	}
	return lines
}

// String returns a line for people.
func (w File) String() string {
	text := "file " + strings.ToUpper(w.File)
	if len(w.Apps) > 0 {
		text += " of " + strings.ToUpper(strings.Join(w.Apps, ", "))
	}
	if w.Records > 0 {
		return fmt.Sprintf("%s: %d records, one after the other", text, w.Records)
	}
	return fmt.Sprintf("%s: %d octets from the beginning, after SELECT", text, w.Read)
}

// Explain returns what becomes of commands, one after the other, with the first card of each profile. The card is
// assumed to answer 9000 to each.
func (p *Policy) Explain(apdus [][]byte) []Explained {
	var all []Explained
	for _, candidate := range p.profiles {
		digits := strings.NewReplacer(".", "0", "*", "").Replace(candidate.atrs[0])
		atr, _ := hex.DecodeString(digits) // checked by Compile
		all = append(all, p.ExplainCard(atr, apdus)...)
	}
	return all
}

// ExplainCard is like Explain, for the card with that ATR.
func (p *Policy) ExplainCard(atr []byte, apdus [][]byte) []Explained {
	var all []Explained
	g := p.Guard(yes{}, atr, Hooks{Verify: func([4]byte, pin.Format) ([]byte, error) {
		return []byte{0x90, 0x00}, nil
	}})
	for i, apdu := range apdus {
		e := Explained{Number: i + 1, Command: strings.ToUpper(hex.EncodeToString(apdu[:min(4, len(apdu))]))}
		g.decided = func(v Verdict) { e.Verdict = v }
		g.explain(apdu)
		if next, _ := g.predictor.Next(); next != nil {
			e.Ahead = strings.ToUpper(hex.EncodeToString(next))
		}
		all = append(all, e)
	}
	return all
}

// explain does with a command what a session does: of one that carries a PIN, at most the header comes to the guard,
// and only that of a VERIFY (SP4).
func (g *Guard) explain(apdu []byte) {
	if session.CarriesPIN(apdu) {
		g.predictor.Lose()
	}
	switch {
	case !session.CarriesPIN(apdu):
		response, _ := g.Transmit(apdu)
		g.predictor.Gave(apdu, response)
	case apdu[1] == insVerify:
		_, _ = g.VerifyPIN([session.MinCommand]byte(apdu))
	default:
		g.tell(Verdict{Action: Refuse, Why: "it carries a PIN, and is answered before any policy (SP4)",
			Answer: defaultRefusal})
	}
}

// yes is a card that executes everything.
type yes struct{}

func (yes) Transmit([]byte) ([]byte, error)         { return []byte{0x90, 0x00}, nil }
func (yes) Reset(session.ResetKind) ([]byte, error) { return []byte{0x3B, 0x00}, nil }
