package lab

import (
	"tlagate/integration/cardsim"
	"tlagate/integration/world"
)

// Names of the readers: PC/SC programs see them with " 00 00" or " 00 01" behind.
const (
	TLAReader = "Terminal"
	PdTReader = "tlagate"
)

// StartReaders starts both pcscd, the TLA's and the PdT's, without cards.
func (l *Lab) StartReaders() (err error) {
	if l.TLAReaders, err = l.pcscd(TLAReader, l.Limits); err != nil {
		return err
	}
	l.PdTReaders, err = l.pcscd(PdTReader, nil)
	return err
}

func (l *Lab) pcscd(name string, limits *world.Limits) (*world.PCSCD, error) {
	return world.StartPCSCD(world.PCSCDConfig{Readers: []world.Reader{{Name: name}}, Echo: l.Echo, Limits: limits})
}

// InsertCards makes both simulated cards and puts them in the TLA's readers: the CPS in the first, the Vitale in the
// second, an order that the relay must not mind.
func (l *Lab) InsertCards() (err error) {
	l.Vitale = cardsim.NewVitale(cardsim.VitaleConfig{})
	var vitale cardsim.Card = l.Vitale
	if l.Counter != nil {
		l.Vitale, vitale = l.Counter.Vitale, l.Counter
	}
	var who cardsim.CPSConfig
	if l.Persons != nil {
		who.Certify = l.Persons.Certify(Doctor, nil)
	}
	if l.CPS, err = cardsim.NewCPS(who); err != nil {
		return err
	}
	l.CPSSlot = cardsim.NewSlot(l.TLAReaders.Readers[0].Slot(0))
	l.VitaleSlot = cardsim.NewSlot(l.TLAReaders.Readers[0].Slot(1))
	if err := l.CPSSlot.Insert(l.CPS); err != nil {
		return err
	}
	return l.VitaleSlot.Insert(vitale)
}
