package main

import (
	"errors"
	"time"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// localReader is the name of the reader that (a) and (b) share. It has a pcscd of its own, because the relay uses the
// terminal's readers.
const localReader = "Lecteur"

// site is everything that is measured.
type site struct {
	lab    *lab.Lab
	local  *world.PCSCD // for (a) and (b)
	card   *cardsim.Vitale
	slot   *cardsim.Slot
	tunnel *tunnel
	wires  []*world.Proxy // in front of stunnel's server and the gateway

	farGateway string // host:port, through a wire
}

func newSite() (*site, error) {
	progress("setting up the cards, stunnel and tlagate …")
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	s := &site{lab: l}
	for _, step := range []func() error{s.startLocal, s.startTunnel, l.Start, s.wireLab} {
		if err := step(); err != nil {
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// startLocal starts a pcscd with a Vitale of the same kind as the lab's.
func (s *site) startLocal() (err error) {
	cfg := world.PCSCDConfig{Readers: []world.Reader{{Name: localReader}}}
	if s.local, err = world.StartPCSCD(cfg); err != nil {
		return err
	}
	s.card = cardsim.NewVitale(cardsim.VitaleConfig{})
	s.slot = cardsim.NewSlot(s.local.Readers[0].Slot(0))
	return s.slot.Insert(s.card)
}

func (s *site) startTunnel() (err error) {
	if s.tunnel, err = newTunnel(s.lab, s.local.Socket()); err != nil {
		return err
	}
	if s.tunnel.ViaProxy, err = s.wire(s.tunnel.Server); err != nil {
		return err
	}
	return s.tunnel.start(s.lab)
}

// wire puts a proxy in front of a server and returns its address.
func (s *site) wire(target string) (string, error) {
	p, err := world.NewProxy(target)
	if err != nil {
		return "", err
	}
	s.wires = append(s.wires, p)
	return p.Addr(), nil
}

// delay makes every wire one round trip long.
func (s *site) delay(roundTrip time.Duration) {
	for _, p := range s.wires {
		p.SetDelay(roundTrip / 2)
	}
}

// wireLab prepares the far way to the gateway, which the relay takes from its next restart on.
func (s *site) wireLab() (err error) {
	s.farGateway, err = s.wire(s.lab.GatewayAddr)
	return err
}

// useFarGateway has the relay dial through the wire.
func (s *site) useFarGateway() error {
	if err := s.lab.RelayProc.Stop(); err != nil {
		return err
	}
	s.lab.GatewayVia = s.farGateway
	return s.lab.StartRelay()
}

func (s *site) close() {
	if s.tunnel != nil {
		s.tunnel.stop()
	}
	if s.slot != nil {
		s.slot.Remove()
	}
	err := s.lab.Close()
	if s.local != nil {
		err = errors.Join(err, s.local.Close())
	}
	for _, p := range s.wires {
		p.Close()
	}
	if err != nil {
		progress("cannot clean up: %v", err)
	}
}
