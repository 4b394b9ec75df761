package main

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"tlagate/gateway"
)

type limits struct {
	Handshake          time.Duration `yaml:"handshake"`
	Absolute           time.Duration `yaml:"absolute"`
	Drain              time.Duration `yaml:"drain"`
	Heartbeat          time.Duration `yaml:"heartbeat"`
	Recheck            time.Duration `yaml:"recheck"`
	Connections        int           `yaml:"connections"`
	ConnectionsPerPeer int           `yaml:"connections_per_peer"`
	Handshakes         int           `yaml:"handshakes"`
	HandshakesPerIP    int           `yaml:"handshakes_per_ip"`
	ParkedPerPdT       int           `yaml:"parked_per_pdt"`
	PerPractice        perPractice   `yaml:"per_practice"`
}

// perPractice is what all devices of one practice may do together.
type perPractice struct {
	Sessions    int `yaml:"sessions"`
	Connections int `yaml:"connections"`
	Parked      int `yaml:"parked"`
	Handshakes  int `yaml:"handshakes_per_second"`
	Opens       int `yaml:"opens_per_second"`
}

// check refuses negative limits; zero stands for the default.
func (l limits) check() error {
	var errs []error
	for _, v := range []struct {
		name  string
		value int64
	}{
		{"handshake", int64(l.Handshake)}, {"absolute", int64(l.Absolute)}, {"drain", int64(l.Drain)},
		{"heartbeat", int64(l.Heartbeat)}, {"recheck", int64(l.Recheck)}, {"connections", int64(l.Connections)},
		{"connections_per_peer", int64(l.ConnectionsPerPeer)}, {"handshakes", int64(l.Handshakes)},
		{"handshakes_per_ip", int64(l.HandshakesPerIP)}, {"parked_per_pdt", int64(l.ParkedPerPdT)},
		{"per_practice.sessions", int64(l.PerPractice.Sessions)},
		{"per_practice.connections", int64(l.PerPractice.Connections)},
		{"per_practice.parked", int64(l.PerPractice.Parked)},
		{"per_practice.handshakes_per_second", int64(l.PerPractice.Handshakes)},
		{"per_practice.opens_per_second", int64(l.PerPractice.Opens)},
	} {
		if v.value < 0 {
			errs = append(errs, fmt.Errorf("limits.%s is negative", v.name))
		}
	}
	return errors.Join(errs...)
}

func (l limits) gateway() gateway.Limits {
	return gateway.Limits{
		Absolute: l.Absolute, Drain: l.Drain, Heartbeat: l.Heartbeat, Recheck: l.Recheck,
		Connections: l.Connections, ConnectionsPerPeer: l.ConnectionsPerPeer,
		Handshakes: l.Handshakes, HandshakesPerIP: l.HandshakesPerIP, ParkedPerPdT: l.ParkedPerPdT,
		PerPractice: gateway.PracticeLimits(l.PerPractice),
	}
}

// balancers returns the addresses of load balancers.
func (c config) balancers() (list []netip.Prefix, err error) {
	var errs []error
	for i, text := range c.ProxyFrom {
		p, err := netip.ParsePrefix(text)
		if err == nil && p != p.Masked() {
			err = fmt.Errorf("it has more bits than its length says; want %s", p.Masked())
		}
		if err == nil && p.Bits() == 0 {
			err = errors.New("these are all addresses: anybody could say who they are")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("cannot use proxy_from[%d] %q: %w; want 10.0.0.0/28, a balancer's addresses",
				i, text, err))
			continue
		}
		list = append(list, p)
	}
	return list, errors.Join(errs...)
}

func (c config) checkBalancers() error {
	_, err := c.balancers()
	return err
}
