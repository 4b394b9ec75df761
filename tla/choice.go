package tla

import (
	"fmt"
	"strings"

	"tlagate/pki"
)

// CodeUnknownPdT answers a start or a rehearsal at a PdT that may not be chosen.
const CodeUnknownPdT Code = "unknown_pdt"

// chosen returns the configuration of one start: its only PdT is the one that the user chose, by URN or by bare name,
// or else the first. The error is a *Why.
func (c Config) chosen(act Act) (Config, error) {
	_, us, err := ourselves(c.Party)
	if err != nil {
		return c, &Why{Code: CodeConfiguration, Detail: err.Error()}
	}
	if act.PdT == "" {
		c.PdTs = c.PdTs[:1]
		return c, nil
	}
	wanted, err := pdtOf(act.PdT, us.Practice)
	for _, known := range c.PdTs {
		if id, bad := pdtOf(known, us.Practice); err == nil && bad == nil && id == wanted {
			c.PdTs = []string{known}
			return c, nil
		}
	}
	return c, &Why{Code: CodeUnknownPdT, Detail: fmt.Sprintf("this terminal may choose %s", strings.Join(c.PdTs, ", "))}
}

// keeps reports whether the user's choice still means the same PdT.
func (c Config) keeps(act Act, pdt pki.Identity) bool {
	now, err := c.chosen(act)
	if err != nil {
		return false
	}
	_, us, _ := ourselves(c.Party) // read by chosen
	id, err := pdtOf(now.PdTs[0], us.Practice)
	return err == nil && id == pdt
}
