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
	Demand string `yaml:"hybrid"` // "preferred" (default), or "required": never a hello without them
}

// CheckHybrid returns what is wrong with the line.
func (h Hybrid) CheckHybrid() error {
	switch h.Demand {
	case "", "preferred", "required":
		return nil
	}
	return fmt.Errorf("cannot use hybrid: %q is neither preferred nor required", h.Demand)
}

// Hybrids returns what a party remembers of gateways; told is called when one answers only a hello without these
// groups.
func (h Hybrid) Hybrids(told func(gateway string, until time.Time)) *trust.Hybrids {
	return &trust.Hybrids{Required: h.Demand == "required", Without: told}
}
