package lab

import (
	"os"
	"strings"
)

// forPIV are rules for the PIV card that the simulated CPS is as well, for OpenSC.
const forPIV = `      - {name: a CPS that is a PIV card, cla: "00", ins: "A4", p1: "04", data: ["A000000308*"], action: allow}
      - {name: its objects, apps: &piv ["A000000308000010000100", "A00000030800001000"], cla: "00", ins: "CB", p1: "3F", p2: "FF", lc: "1-32", action: allow}
      - {name: its PIN, apps: *piv, cla: "00", ins: "20", p1: "00", p2: "80", action: local-pin, pin: {min: 4, max: 8, length: 8, pad: 255}}
      - {name: its PIN tries left, apps: *piv, cla: "00", ins: "20", lc: "0", action: allow}
      - {name: its signatures, apps: *piv, cla: "00", ins: "87", lc: "1-512", chained: true, extended: true, action: allow}
`

// forCounter is the rule for the counting command of cardsim.Counter.
const forCounter = `      - {name: counting, cla: "80", ins: "CE", lc: "4", le: "8", action: allow}
`

// writePolicy writes the card policy: the built-in one, with the rules for PIV before the last rule of the last profile
// (CPS cards) and, if there is a Counter, with its command before the last rule of the first profile (Vitale cards).
func (l *Lab) writePolicy() error {
	text, err := l.quietly("tla-relay", "policy", "show")
	if err != nil {
		return err
	}
	const lastRule = "      - {name: other applications"
	last := strings.LastIndex(text, lastRule)
	text = text[:last] + forPIV + text[last:]
	if l.Counter != nil {
		text = strings.Replace(text, lastRule, forCounter+lastRule, 1)
	}
	if l.ProofKey != "" {
		const profile = "  - name: cps\n"
		text = strings.Replace(text, profile, profile+"    proof-key: "+l.ProofKey+"\n", 1)
	}
	if l.ReadAhead != "" {
		const profile = "  - name: vitale\n"
		text = strings.Replace(text, profile, profile+"    ahead: "+l.ReadAhead+"\n", 1)
	}
	return os.WriteFile(l.Path("policy.yaml"), []byte(text), 0o600)
}
