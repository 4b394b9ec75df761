package main

import (
	"fmt"
	"time"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// begun is how long after `tla-relay start` each of these had happened.
type begun struct {
	plugged time.Duration // tla-pdt had both cards
	up      time.Duration // the relay had the PdT's answer
	visible time.Duration // tla-relay start returned: a PC/SC program at the PdT sees both cards
	seen    time.Duration // a PC/SC program at the PdT that waits for cards saw both
}

// gap is how long after the session was up the program saw the cards; it may be a moment before.
func (b begun) gap() time.Duration { return b.seen - b.up }

var pdtReaders = lab.PdTReaders[:]

// starts begins and ends n sessions, and returns the times of each.
func (s *site) starts(n int) ([]begun, error) {
	watcher, err := startProgram(s.lab.PdTReaders.Env())
	if err != nil {
		return nil, err
	}
	defer watcher.stop()
	var all []begun
	for range n {
		b, err := s.begin(watcher)
		if err != nil {
			return nil, err
		}
		all = append(all, b)
		if err := s.end(watcher); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// begin starts a session and times it as seen from outside.
func (s *site) begin(watcher *process) (b begun, err error) {
	atPdT, atTLA := s.lab.PdTProc.Mark(), s.lab.RelayProc.Mark()
	start := time.Now()
	seen := after(start, func() error {
		_, err := watcher.do(order{Do: doSee, Readers: pdtReaders})
		return err
	})
	plugged := after(start, func() error { return bothPlugged(s.lab.PdTProc, atPdT) })
	up := after(start, func() error {
		_, err := s.lab.RelayProc.WaitLineFrom(atTLA, world.Patience, "session up")
		return err
	})
	visible := after(start, func() error {
		_, err := s.lab.Relay("start")
		return err
	})
	for _, m := range []struct {
		into *time.Duration
		from <-chan moment
	}{{&b.up, up}, {&b.plugged, plugged}, {&b.visible, visible}, {&b.seen, seen}} {
		at := <-m.from
		if *m.into = at.since; at.err != nil {
			err = at.err
		}
	}
	return b, err
}

type moment struct {
	since time.Duration
	err   error
}

// after returns a channel with the time from start until do returned.
func after(start time.Time, do func() error) <-chan moment {
	c := make(chan moment, 1)
	go func() {
		err := do()
		c <- moment{time.Since(start), err}
	}()
	return c
}

func bothPlugged(pdt *world.Process, mark int) error {
	for _, slot := range []string{"slot=vitale", "slot=cps"} {
		if _, err := pdt.WaitLineFrom(mark, world.Patience, "card inserted", slot); err != nil {
			return err
		}
	}
	return nil
}

// absence is longer than a driver shows an empty reader between two cards.
const absence = 300 * time.Millisecond

// end ends the session and waits until the cards of the next one can be shown at once.
func (s *site) end(watcher *process) error {
	if _, err := s.lab.Relay("stop"); err != nil {
		return err
	}
	if _, err := watcher.do(order{Do: doMiss, Readers: pdtReaders}); err != nil {
		return fmt.Errorf("after a session: %w", err)
	}
	time.Sleep(absence)
	return nil
}
