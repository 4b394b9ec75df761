package lab

import "tlagate/integration/world"

// GatewayName is a name that the certificates of the lab's gateways hold beside localhost; no address is known for it
// unless somebody answers for it.
const GatewayName = "gw.lab.test"

// Site is a second gateway.
type Site struct {
	Addr string // host:port it listens on
	Keys Keys
	Proc *world.Process
}

func (s *Site) proc() *world.Process {
	if s == nil {
		return nil
	}
	return s.Proc
}

// AddGateway lays a second gateway out, which the TLA and the PdT know from then on.
func (l *Lab) AddGateway() error {
	port, err := world.Port()
	if err != nil {
		return err
	}
	keys, err := l.Issue("gateway2-server", "gateway-server", Gateway2, "localhost", GatewayName)
	l.Second = &Site{Addr: world.Addr(port), Keys: keys}
	return err
}

// StartSecond starts it; extra lines are added to its configuration.
func (l *Lab) StartSecond(extra ...string) error {
	other := *l
	other.GatewayAddr, other.GatewayKeys, other.suffix = l.Second.Addr, l.Second.Keys, "2"
	err := other.StartGateway(extra...)
	l.Second.Proc = other.GatewayProc
	return err
}
