package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"tlagate/integration/world"
)

const roundTrip = 60 * time.Millisecond

var (
	nearPlan = plan{rounds: 9, batches: 9, batch: 50}
	farPlan  = plan{rounds: 5, batches: 1, batch: 8}
	apduPlan = plan{rounds: 1, batches: 40, batch: 50}
	delays   = []time.Duration{0, roundTrip, 2 * roundTrip}

	startsEach = 6

	measureParts = oneByOne
)

// beShort leaves just enough to measure for every table of the report, much of it at once.
func beShort() {
	nearPlan, farPlan = plan{rounds: 1, batches: 1, batch: 2}, plan{rounds: 1, batches: 1, batch: 1}
	apduPlan = nearPlan
	floodConns, floodAPDUs = 1200, 20
	delays, startsEach = delays[:2], 1
	memorySessions = 100
	aheadRounds, visits = 1, visits[2:3] // each waits until a card is cold
	restartRounds = 1
	measureParts = atOnce
}

// report is all that was measured.
type report struct {
	ways      []way
	near, far []times
	flood     flooded
	starts    []starts
	ahead     []foreseen
	memory    remembered
	restarts  restarts
	load      string // load average before the run: what else the machine did
}

// starts is what was measured at one distance.
type starts struct {
	nominal, trip time.Duration // a round trip as it should be, and as it is
	each          []begun
}

func (s *site) measureAll() (*report, error) {
	r := &report{ways: s.ways(false), load: loadAverage()}
	return r, measureParts(r, s.measureSite, measureAhead, measureMemory, measureRestarts)
}

func (s *site) measureSite(r *report) error {
	return oneByOne(r, s.measureNear, s.measureFlood, s.measureFar, s.measureStarts)
}

func oneByOne(r *report, parts ...func(*report) error) error {
	for _, part := range parts {
		if err := part(r); err != nil {
			return err
		}
	}
	return nil
}

// atOnce measures parts that have nothing in common, each in the way of the others.
func atOnce(r *report, parts ...func(*report) error) error {
	var running sync.WaitGroup
	failed := make([]error, len(parts))
	for i, part := range parts {
		running.Go(func() { failed[i] = part(r) })
	}
	running.Wait()
	return errors.Join(failed...)
}

func (s *site) measureNear(r *report) (err error) {
	progress("loopback …")
	r.near, err = s.inSession(s.ways(false), nearPlan)
	return err
}

func (s *site) measureFar(r *report) (err error) {
	progress("%s round trip …", show(roundTrip))
	if err := s.useFarGateway(); err != nil {
		return err
	}
	s.delay(roundTrip)
	r.far, err = s.inSession(s.ways(true), farPlan)
	return err
}

// inSession starts a session of tlagate's, and measures while it lasts.
func (s *site) inSession(ways []way, p plan) ([]times, error) {
	if _, err := s.lab.Relay("start"); err != nil {
		return nil, err
	}
	t, err := s.measure(ways, p)
	if err != nil {
		return nil, err
	}
	_, err = s.lab.Relay("stop")
	return t, err
}

func (s *site) measureStarts(r *report) (err error) {
	for _, d := range delays {
		progress("starts at %s round trip …", show(d))
		s.delay(d)
		at := starts{nominal: d}
		if at.trip, err = trip(d); err != nil {
			return err
		}
		if at.each, err = s.starts(startsEach); err != nil {
			return fmt.Errorf("a start at %v round trip: %w", d, err)
		}
		r.starts = append(r.starts, at)
	}
	return nil
}

// trip returns the time that an octet really takes through a proxy and back.
func trip(nominal time.Duration) (time.Duration, error) {
	e, err := newEcho()
	if err != nil {
		return 0, err
	}
	defer e.close()
	p, err := world.NewProxy(e.addr())
	if err != nil {
		return 0, err
	}
	defer p.Close()
	p.SetDelay(nominal / 2)
	return pings(p.Addr(), 20)
}

// loadAverage returns the load average of the last minute.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
