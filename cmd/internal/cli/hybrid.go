package cli

import (
	"fmt"
	"time"

	"tlagate/pki/trust"
)

// Hybrid is the line of a device's configuration about post-quantum groups in its hellos to gateways
// (docs/threat-model.md, T28):
//
//	hybrid: required
type Hybrid struct {
	Demand string `yaml:"hybrid"` // "preferred" (default), or "required": never without
}

// CheckHybrid says what is wrong with the line.
func (h Hybrid) CheckHybrid() error {
	switch h.Demand {
	case "", "preferred", "required":
		return nil
	}
	return fmt.Errorf("cannot use hybrid: %q is neither preferred nor required", h.Demand)
}

// Hybrids is what a party remembers; told is called when a gateway answers only without them.
func (h Hybrid) Hybrids(told func(gateway string, until time.Time)) *trust.Hybrids {
	return &trust.Hybrids{Required: h.Demand == "required", Without: told}
}
