package policy

import "tlagate/session"

// VerifyPIN implements session.PINCard: when a rule says local-pin, it asks the user, and makes a VERIFY as that rule
// says. Of the command that came, only the channel is used, and what chose the rule.
func (g *Guard) VerifyPIN(header [session.MinCommand]byte) ([]byte, error) {
	g.learn()
	g.dropChain()
	c := command{cla: header[0], ins: header[1], p1: header[2], p2: header[3]}
	r, v := g.profile.forPIN(c, g.app(c.channel()))
	if r == nil || g.hooks.Verify == nil {
		return g.refuse(c, v)
	}
	g.tell(v)
	g.loseFetched() // the card is asked for the tries first
	header[0] &= claFurther | 0x0F
	response, err := g.hooks.Verify(header, r.pin)
	g.note(c, response, err)
	return response, err
}

// forPIN returns the rule by which the user is asked; nil = none. The first rule that fits a VERIFY with some data
// counts, as in judge.
func (p *profile) forPIN(c command, app string) (*rule, Verdict) {
	v := Verdict{Action: Refuse, Why: "no profile has this card", Answer: defaultRefusal}
	if p == nil {
		return nil, v
	}
	v.Profile, v.Answer, v.Why = p.name, p.refuse, "no rule has the user asked for this PIN"
	if c.ins != insVerify || !c.validClass() || c.secure() || c.chained() || c.proprietary() {
		return nil, v
	}
	for _, r := range p.rules {
		asks := r.action == LocalPIN
		if r.apps != nil && !r.apps[app] || !r.header(c) || !asks && r.lc.given && r.lc.most == 0 {
			continue
		}
		v.Rule = r.name
		if !asks {
			v.Expected = r.expected
			return nil, v
		}
		v.Action, v.Why = LocalPIN, "that rule says so"
		return r, v
	}
	return nil, v
}
