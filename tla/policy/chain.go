package policy

// Limits of a chained command.
const (
	maxChainParts = 64
	maxChainData  = 8 << 10
)

// chain is a command whose parts (ISO 7816-4, 5.3.3) are kept back until the last has come, to be judged as one.
type chain struct {
	first command // header of the parts, unchained
	data  []byte  // of all parts
	parts [][]byte
}

// continuedBy reports whether c is a further part of the chain.
func (ch *chain) continuedBy(c command) bool {
	return ch != nil && c.cla == ch.first.cla && c.ins == ch.first.ins && c.p1 == ch.first.p1 && c.p2 == ch.first.p2
}

// part takes in one part. All but the last are answered here, as a card would; with the last, the whole is judged.
func (g *Guard) part(c command, apdu []byte) ([]byte, error) {
	sent, last := c, !c.chained()
	c.cla &^= claChained
	if g.chain != nil && !g.chain.continuedBy(c) {
		g.dropChain() // as a card drops a chain that another command interrupts
	}
	if g.chain == nil && !g.profile.mayChain(c) {
		v := g.judge(c, true)
		if v.Action == Allow { // without its other parts the command looks better than it is
			v.Action, v.Why = Refuse, "no rule allows it chained"
		}
		v.Answer = swNoChaining
		return g.refuse(sent, v)
	}
	if !g.keep(c, apdu) {
		g.dropChain()
		return g.refuse(sent, Verdict{Action: Refuse, Why: "the chain is too long", Answer: swNoChaining})
	}
	if !last {
		g.tell(Verdict{Action: Allow, Why: "it is held back until the last part has come, and judged then"})
		return []byte{0x90, 0x00}, nil
	}
	return g.whole(c)
}

// keep adds a part, copied: the caller's octets are wiped.
func (g *Guard) keep(c command, apdu []byte) bool {
	if g.chain == nil {
		g.chain = &chain{first: c}
	}
	ch := g.chain
	if len(ch.parts) >= maxChainParts || len(ch.data)+len(c.data) > maxChainData {
		return false
	}
	ch.parts = append(ch.parts, append([]byte(nil), apdu...))
	grown := append(append(make([]byte, 0, len(ch.data)+len(c.data)), ch.data...), c.data...)
	clear(ch.data)
	ch.data = grown
	ch.first.extended = ch.first.extended || c.extended
	return true
}

// whole judges the command that the parts make, and sends them when it is allowed.
func (g *Guard) whole(last command) ([]byte, error) {
	defer g.dropChain()
	c := last
	c.data, c.extended = g.chain.data, g.chain.first.extended
	if v := g.judge(c, true); v.Action != Allow {
		return g.refuse(c, v)
	}
	response, err := g.send(g.chain.parts)
	g.note(c, response, err)
	return response, err
}

// send sends the parts; the first answer other than success is that of the whole.
func (g *Guard) send(parts [][]byte) (response []byte, err error) {
	g.loseFetched()
	for _, apdu := range parts {
		response, err = g.card.Transmit(apdu)
		if sw1, _ := status(response); err != nil || sw1 != 0x90 {
			break
		}
	}
	return response, err
}

func (g *Guard) dropChain() {
	if g.chain == nil {
		return
	}
	clear(g.chain.data)
	for _, p := range g.chain.parts {
		clear(p)
	}
	g.chain = nil
}
