package lab

import (
	"context"
	"errors"
	"fmt"
	"net"

	"tlagate/integration/world"
	"tlagate/internal/tcp"
)

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

// KeepSocket opens the gateway's port, which stays open from then on while the gateway is started again, as
// tla-gateway.socket has it. The caller closes the file.
func (l *Lab) KeepSocket() error {
	at, err := tcp.Listen(context.Background(), l.GatewayAddr, false)
	if err != nil {
		return err
	}
	defer at.Close()
	l.GatewaySock, err = at.(*net.TCPListener).File()
	return err
}

// Beside lays out another terminal and Poste de Travail of the practice, number n, which dial the same gateways. They
// are a lab of their own, to be closed before l.
func (l *Lab) Beside(n int) (*Lab, error) {
	b, err := Bare()
	if err != nil {
		return nil, err
	}
	b.GatewayAddr, b.Host, b.TLAVia, b.PdTVia = l.GatewayAddr, l.Host, l.TLADials(), l.PdTDials()
	b.PdTTrust, b.TLATrust, b.Echo = l.PdTTrust, l.TLATrust, l.Echo
	tla, pdt := fmt.Sprintf("%s%d", TLA, n), fmt.Sprintf("%s%d", PdT, n)
	b.AskFor = pdt
	for _, c := range []struct {
		keys         *Keys
		profile, who string
		dns          []string
	}{
		{&b.ClientKeys, "pdt-client", pdt, nil}, {&b.TLAKeys, "tla", tla, nil},
		{&b.ServerKeys, "pdt-server", pdt, []string{fmt.Sprintf("bureau%d.cabinet-demo.invalid", n)}},
	} {
		keys, failed := l.Issue(fmt.Sprintf("%s%d", c.profile, n), c.profile, c.who, c.dns...)
		*c.keys, err = keys, errors.Join(err, failed)
	}
	return b, err
}
