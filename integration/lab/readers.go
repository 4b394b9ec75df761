package lab

import (
	"tlagate/integration/cardsim"
	"tlagate/integration/world"
	"tlagate/pdt/ifd"
)

// TLAReader is the name of the terminal's readers: PC/SC programs see it with " 00 00" or " 00 01" behind.
const TLAReader = "Terminal"

// PdTReaders are the PdT's readers as PC/SC programs see them, by slot.
var PdTReaders = [2]string{VitaleSlot: "tlagate Vitale 00 00", CPSSlot: "tlagate CPS 01 00"}

// StartReaders starts both pcscd, the TLA's and the PdT's, without cards.
func (l *Lab) StartReaders() (err error) {
	l.TLAReaders, err = world.StartPCSCD(world.PCSCDConfig{Readers: []world.Reader{{Name: TLAReader}}, Echo: l.Echo,
		Limits: l.Limits})
	if err != nil {
		return err
	}
	l.PdTReaders, err = world.StartPCSCD(world.PCSCDConfig{Conf: ifd.ReaderConf(l.Entries()), Echo: l.Echo})
	return err
}

// Entries returns the readers of pcscd's configuration at the PdT.
func (l *Lab) Entries() []ifd.Entry {
	socket := l.Path("readers.sock")
	return []ifd.Entry{{Name: "tlagate Vitale", Socket: socket, Owner: "root", Slot: VitaleSlot},
		{Name: "tlagate CPS", Socket: socket, Owner: "root", Slot: CPSSlot}}
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
