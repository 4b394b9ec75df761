package lab

import "tlagate/integration/world"

// GatewayName is a name that the certificates of the lab's gateways have beside localhost; it has an address only where
// a test provides a resolver.
const GatewayName = "gw.lab.test"

// Site is a second gateway.
type Site struct {
	Addr string // host:port that it listens on
	Keys Keys
	Proc *world.Process
}

func (s *Site) proc() *world.Process {
	if s == nil {
		return nil
	}
	return s.Proc
}

// AddGateway lays out a second gateway, which the TLA and the PdT dial from then on.
func (l *Lab) AddGateway() error {
	port, err := world.Port()
	if err != nil {
		return err
	}
	keys, err := l.Issue("gateway2-server", "gateway-server", Gateway2, "localhost", GatewayName)
	l.Second = &Site{Addr: world.Addr(port), Keys: keys}
	return err
}

// StartSecond starts the second gateway; extra lines are added to its configuration.
func (l *Lab) StartSecond(extra ...string) error {
	other := *l
	other.GatewayAddr, other.GatewayKeys, other.suffix = l.Second.Addr, l.Second.Keys, "2"
	err := other.StartGateway(extra...)
	l.Second.Proc = other.GatewayProc
	return err
}
