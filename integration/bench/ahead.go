package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// foreseen is what was measured of one visit: at a local reader, without read-ahead and with it. A visit that has no
// local time was not measured there.
type foreseen struct {
	visit
	trip  time.Duration // a round trip as it is
	times []times       // by way
}

// visit is what a program does, over which network, and with which card.
type visit struct {
	what    string
	do      string // the order
	trip    time.Duration
	rate    int           // octets a second; 0 = any
	perByte time.Duration // of the card; 0 = none
	remote  bool          // it is not measured at a local reader
}

// baud returns how long a card with T=0 at that rate takes for an octet: 12 elementary time units.
func baud(rate int) time.Duration { return 12 * time.Second / time.Duration(rate) }

const mobile = 500_000 / 8 // octets a second

var (
	aheadRounds = 3
	visits      = []visit{
		{what: "one APDU, loopback", do: doSame},
		{what: "visit, loopback", do: doVisit},
		{what: "visit, 60 ms", do: doVisit, trip: roundTrip},
		{what: "visit, 60 ms, card of 38 400 baud", do: doVisit, trip: roundTrip, perByte: baud(38_400)},
		{what: "visit, 60 ms, card of 9 600 baud", do: doVisit, trip: roundTrip, perByte: baud(9_600)},
		{what: "20 files of 2 blocks, then another, 60 ms, 500 kbit/s", do: doFiles, trip: roundTrip, rate: mobile,
			remote: true},
		{what: "both cards in turn, 60 ms, 500 kbit/s", do: doBoth, trip: roundTrip, rate: mobile, remote: true},
	}
)

// pairOfLabs are two deployments that differ in read-ahead alone, and a local reader.
type pairOfLabs struct {
	site         // of the local reader
	plain, ahead *far
}

// far is a deployment whose relay dials through a wire.
type far struct {
	*lab.Lab
	wire *world.Proxy
}

func newFar(lines ...string) (*far, error) {
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	f := &far{Lab: l}
	if f.wire, err = world.NewProxy(l.GatewayAddr); err == nil {
		l.GatewayVia, l.RelayLines = f.wire.Addr(), lines
		err = l.Start()
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *far) close() {
	if f == nil {
		return
	}
	if err := f.Close(); err != nil {
		progress("cannot clean up: %v", err)
	}
	if f.wire != nil {
		f.wire.Close()
	}
}

// measureAhead measures each visit by each way, which take turns.
func measureAhead(r *report) (err error) {
	progress("with read-ahead and without …")
	p := &pairOfLabs{}
	defer p.end()
	if p.plain, err = newFar("read_ahead: 0"); err != nil {
		return err
	}
	if p.ahead, err = newFar(); err != nil {
		return err
	}
	p.lab = p.plain.Lab
	if err := p.startLocal(); err != nil {
		return err
	}
	for _, v := range visits {
		progress("%s …", v.what)
		m, err := p.measure(v)
		if err != nil {
			return fmt.Errorf("%s: %w", v.what, err)
		}
		r.ahead = append(r.ahead, m)
	}
	return nil
}

func (p *pairOfLabs) end() {
	p.ahead.close()
	p.plain.close()
	if p.slot != nil {
		p.slot.Remove()
	}
	if p.local != nil {
		_ = p.local.Close()
	}
}

func (p *pairOfLabs) measure(v visit) (m foreseen, err error) {
	m.visit = v
	if m.trip, err = trip(v.trip); err != nil {
		return m, err
	}
	if err := p.prepare(v); err != nil {
		return m, err
	}
	r := &race{ways: p.ways(v), content: p.card.Content(cardsim.AIDVitale, 0xD001)}
	r.results = make([]times, len(r.ways))
	defer r.stop()
	if err := r.start(); err != nil {
		return m, err
	}
	for range aheadRounds {
		time.Sleep(cold)
		each := func(w way) order { return order{Do: v.do, Readers: w.readers()} }
		if err := r.eachWith(each, r.seen(v.do)); err != nil {
			return m, err
		}
	}
	m.times = r.results
	return m, p.stop()
}

// ways returns the local reader, unless the visit is not measured there, and both deployments.
func (p *pairOfLabs) ways(v visit) (list []way) {
	if !v.remote {
		list = append(list, way{"local reader", p.local.Socket(), localReader + " 00 00"})
	}
	for _, f := range []*far{p.plain, p.ahead} {
		list = append(list, way{"tlagate", f.PdTReaders.Socket(), lab.PdTReaders[lab.VitaleSlot]})
	}
	return list
}

// prepare puts cards of that speed into all readers, and starts sessions over such a network.
func (p *pairOfLabs) prepare(v visit) error {
	for _, at := range []struct {
		slot *cardsim.Slot
		card *cardsim.Vitale
	}{{p.slot, p.card}, {p.plain.VitaleSlot, p.plain.Vitale}, {p.ahead.VitaleSlot, p.ahead.Vitale}} {
		at.slot.Remove()
		var card cardsim.Card = at.card
		if v.perByte > 0 {
			card = cardsim.Slow(card, v.perByte)
		}
		if err := at.slot.Insert(card); err != nil {
			return err
		}
	}
	for _, f := range []*far{p.plain, p.ahead} {
		f.wire.SetDelay(v.trip / 2)
		f.wire.SetRate(v.rate)
		if _, err := f.Relay("start"); err != nil {
			return err
		}
	}
	return nil
}

func (p *pairOfLabs) stop() error {
	_, plain := p.plain.Relay("stop")
	_, ahead := p.ahead.Relay("stop")
	return errors.Join(plain, ahead)
}

func (r *report) printAhead(out io.Writer) {
	row(out, "median, read-ahead", "local reader", "without", "with", "with / without", "local + 4 round trips + 15 %")
	row(out, "---", "--:", "--:", "--:", "--:", "--:")
	for _, m := range r.ahead {
		var medians []time.Duration
		for _, t := range m.times {
			medians = append(medians, median(t.visit))
		}
		local, bound := "", ""
		if m.perByte > 0 { // the aim is for cards that decide how long a visit takes
			bound = show((medians[0] + 4*m.trip) * 115 / 100)
		}
		if !m.remote {
			local, medians = show(medians[0]), medians[1:]
		}
		row(out, m.what, local, show(medians[0]), show(medians[1]),
			fmt.Sprintf("%.2f", float64(medians[1])/float64(medians[0])), bound)
	}
}
