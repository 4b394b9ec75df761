package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"tlagate/integration/cardsim"
	"tlagate/integration/lab"
)

// way is how a program reaches a card.
type way struct {
	name   string
	socket string // pcscd's, as the program sees it
	reader string
}

// plan is how much is measured at one distance. A round is a visit by each way, then the batches of APDUs, by each way
// in turn.
type plan struct{ rounds, batches, batch int }

func (p plan) apdus() int { return p.rounds * p.batches * p.batch }

// times is what was measured of one way.
type times struct{ apdu, visit, program []time.Duration }

func (t times) apdus() []time.Duration { return t.apdu }

// cold is how long a reader must be left alone for its card to lose power, so that the next visit begins with a cold
// reset, as a first visit does: pcscd takes 5 s, tla-pdt one second more.
const cold = 6500 * time.Millisecond

// ways returns the three ways, near or far.
func (s *site) ways(far bool) []way {
	tunnelled := s.tunnel.Near
	if far {
		tunnelled = s.tunnel.Far
	}
	local := localReader + " 00 00"
	return []way{
		{"local reader", s.local.Socket(), local},
		{"stunnel", tunnelled, local},
		{"tlagate", s.lab.PdTReaders.Socket(), lab.PdTReaders[lab.VitaleSlot]},
	}
}

// measure returns the times of every way, which take turns.
func (s *site) measure(ways []way, p plan) ([]times, error) {
	r := &race{ways: ways, results: make([]times, len(ways)), content: s.card.Content(cardsim.AIDVitale, 0xD001)}
	defer r.stop()
	if err := r.run(p); err != nil {
		return nil, fmt.Errorf("%w; stunnel last said:\n%s", err, s.tunnel.said())
	}
	return r.results, nil
}

// race has one program for each way, and what each measured.
type race struct {
	ways     []way
	programs []*process
	results  []times
	content  []byte // what a visit must read
}

func (r *race) run(p plan) error {
	if err := r.start(); err != nil {
		return err
	}
	for range p.rounds {
		if err := r.visits(); err != nil {
			return err
		}
		if err := r.apdus(p); err != nil {
			return err
		}
	}
	return nil
}

func (r *race) start() error {
	for _, w := range r.ways {
		p, err := startProgram([]string{"PCSCLITE_CSOCK_NAME=" + w.socket})
		if err != nil {
			return err
		}
		r.programs = append(r.programs, p)
	}
	return nil
}

func (r *race) stop() {
	for _, p := range r.programs {
		p.stop()
	}
}

// readers returns the names of both readers: that of the Vitale card, and at a PdT that of the CPS card.
func (w way) readers() []string { return []string{w.reader, lab.PdTReaders[lab.CPSSlot]} }

// each gives every way the same order, one after the other.
func (r *race) each(o order, use func(*times, answer) error) error {
	return r.eachWith(func(w way) order {
		o.Readers = []string{w.reader}
		return o
	}, use)
}

// eachWith gives every way an order, one after the other.
func (r *race) eachWith(orderOf func(way) order, use func(*times, answer) error) error {
	for i, p := range r.programs {
		a, err := p.do(orderOf(r.ways[i]))
		if err == nil && use != nil {
			err = use(&r.results[i], a)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.ways[i].name, err)
		}
	}
	return nil
}

func (r *race) visits() error {
	time.Sleep(cold)
	return r.each(order{Do: doVisit}, r.visited)
}

// seen returns what takes in the answer to an order.
func (r *race) seen(do string) func(*times, answer) error {
	if do == doVisit {
		return r.visited
	}
	return func(t *times, a answer) error {
		t.visit = append(t.visit, a.Times[0])
		return nil
	}
}

func (r *race) visited(t *times, a answer) error {
	if !bytes.Equal(a.Data, r.content[:blocks*blockSize]) {
		return errors.New("what was read is not what is on the card")
	}
	t.visit, t.program = append(t.visit, a.Times[0]), append(t.program, a.Times[1])
	return nil
}

func (r *race) apdus(p plan) error {
	if err := r.each(order{Do: doOpen}, nil); err != nil {
		return err
	}
	if err := r.each(order{Do: doRead, N: p.batch}, nil); err != nil { // warm up
		return err
	}
	for range p.batches {
		if err := r.each(order{Do: doRead, N: p.batch}, timed); err != nil {
			return err
		}
	}
	return r.each(order{Do: doClose}, nil)
}

func timed(t *times, a answer) error {
	t.apdu = append(t.apdu, a.Times...)
	return nil
}
