package policy

import (
	"encoding/hex"
	"fmt"
	"strings"

	"tlagate/tla/atr"
)

// Verdict says what becomes of a command, and why. It quotes only the header and the lengths of the command.
type Verdict struct {
	Action  Action
	Profile string  // "" = no profile has this card
	Rule    string  // the one that decided; "" = none
	Why     string  // one clause, for people
	Answer  [2]byte // status word of a refusal

	Expected bool   // the rule says that ordinary programs meet this refusal
	Header   string // CLA INS P1 P2, hexadecimal
	Lc, Le   int    // octets of data, octets wanted; of a command that cannot be read, its length and 0
	App      string // selected on its channel: AID, hexadecimal, "none" or "unknown"
}

// The status words that the guard itself answers (ISO 7816-4, 5.6).
var (
	swWrongLength = [2]byte{0x67, 0x00}
	swNoChaining  = [2]byte{0x68, 0x84}
	swBadClass    = [2]byte{0x6E, 0x00}
)

// profileOf returns the profile of a card; nil = none, and then nothing is allowed.
func (p *Policy) profileOf(answer []byte) *profile {
	digits := hex.EncodeToString(answer)
	for _, candidate := range p.profiles {
		for _, pattern := range candidate.atrs {
			if atr.Fits(digits, pattern) {
				return candidate
			}
		}
	}
	return nil
}

// Knows reports whether a profile has the card with that ATR, in hexadecimal.
func (p *Policy) Knows(atr string) bool {
	octets, err := hex.DecodeString(atr)
	return err == nil && p.profileOf(octets) != nil
}

// ReadsAhead reports whether anything of the card with that ATR, in hexadecimal, may be read ahead.
func (p *Policy) ReadsAhead(atr string) bool {
	octets, err := hex.DecodeString(atr)
	if err != nil {
		return false
	}
	profile := p.profileOf(octets)
	return profile != nil && profile.ahead.Reads != Off
}

// judge decides on a command; chained says that its data are those of all its parts.
func (p *profile) judge(c command, app string, chained bool) Verdict {
	if p == nil {
		return Verdict{Action: Refuse, Why: "no profile has this card", Answer: defaultRefusal}
	}
	v := Verdict{Action: Refuse, Profile: p.name, Answer: p.refuse}
	if !c.validClass() {
		v.Why, v.Answer = "its class is not valid", swBadClass
		return v
	}
	nearly := ""
	for _, r := range p.rules {
		if !r.fits(c, app) {
			continue
		}
		if why := r.unfit(c, chained); why != "" {
			nearly = fmt.Sprintf("; rule %q would fit, but %s", r.name, why)
			continue
		}
		v.Action, v.Rule, v.Answer, v.Why = r.action, r.name, r.answer, "that rule says so"
		v.Expected = r.expected
		return v
	}
	v.Why = "no rule allows it" + nearly
	return v
}

// fits reports whether the command is as the rule says, but for what unfit finds.
func (r *rule) fits(c command, app string) bool {
	return (r.apps == nil || r.apps[app]) && r.header(c) && r.lc.fits(len(c.data)) && r.le.fits(c.le) &&
		r.fitsData(c.data)
}

// header reports whether class, instruction and parameters are as the rule says; channel and chaining are not compared.
func (r *rule) header(c command) bool {
	return r.cla.fits(c.plainClass()) && r.ins.fits(c.ins) && r.p1.fits(c.p1) && r.p2.fits(c.p2)
}

func (r *rule) fitsData(data []byte) bool {
	if r.data == nil {
		return true
	}
	for _, p := range r.data {
		if string(data) == p.octets || p.open && strings.HasPrefix(string(data), p.octets) {
			return true
		}
	}
	return false
}

// unfit returns what a rule that fits otherwise would have to say explicitly; "" = nothing. A rule that refuses need
// not say it.
func (r *rule) unfit(c command, chained bool) string {
	switch {
	case r.action == Refuse:
		return ""
	case c.secure() && !r.secure:
		return "the command is under secure messaging"
	case chained && !r.chained:
		return "the command is chained"
	case c.extended && !r.extended:
		return "the command has extended lengths"
	case c.proprietary() && r.cla.mask != 0xFF:
		return "a proprietary class must be named"
	case c.veiled() && r.ins.mask != 0xFF:
		return "an ENVELOPE or odd instruction must be named"
	}
	return ""
}

// mayChain reports whether any rule could allow the command in parts.
func (p *profile) mayChain(c command) bool {
	if p == nil {
		return false
	}
	for _, r := range p.rules {
		if r.chained && r.action == Allow && r.header(c) {
			return true
		}
	}
	return false
}
