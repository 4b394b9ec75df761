package main

import (
	"errors"
	"fmt"
	"time"

	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// restarts is how long commands took at most while gateways were restarted.
type restarts struct {
	rolling time.Duration // two gateways, one after the other
	single  time.Duration // one, whose port is kept open
	killed  time.Duration // from when one that was killed serves again
}

// restartRounds is how often each is measured.
var restartRounds = 5

// reading is a deployment in whose session a program reads from a card.
type reading struct {
	*lab.Lab
	program *process
}

// newReading starts a deployment, once prepare has changed it and before starts what it adds, and a session. Nothing is
// read ahead: each command takes the network.
func newReading(prepare func(*lab.Lab) error, before func(*lab.Lab) error) (r *reading, err error) {
	r = new(reading)
	if r.Lab, err = lab.New(); err != nil {
		return nil, err
	}
	for _, step := range []func() error{
		func() error { return prepare(r.Lab) }, r.StartReaders, r.InsertCards,
		func() error { return r.StartGateway() }, func() error { return before(r.Lab) },
		func() error { return r.StartPdT() }, func() error { return r.StartRelay("read_ahead: 0") },
		func() error { _, err := r.Relay("start"); return err }, r.open,
	} {
		if err := step(); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func nothing(*lab.Lab) error { return nil }

func (r *reading) open() (err error) {
	if r.program, err = startProgram(r.PdTReaders.Env()); err != nil {
		return err
	}
	reader := []string{lab.PdTReaders[lab.VitaleSlot]}
	if _, err = r.program.do(order{Do: doSee, Readers: reader}); err != nil {
		return err
	}
	_, err = r.program.do(order{Do: doOpen, Readers: reader})
	return err
}

func (r *reading) close() {
	if r.program != nil {
		r.program.stop()
	}
	if r.GatewaySock != nil {
		r.GatewaySock.Close()
	}
	if err := r.Close(); err != nil {
		progress("cannot clean up: %v", err)
	}
}

// longest returns how long a command took at most, of those that the program sent while f ran.
func (r *reading) longest(f func() error) (most time.Duration, err error) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	for over := false; !over; {
		select {
		case err = <-done:
			over = true
		default:
		}
		a, failed := r.program.do(order{Do: doRead, N: 1})
		if failed != nil {
			return 0, errors.Join(err, failed)
		}
		most = max(most, a.Times[0])
	}
	return most, err
}

// again stops a gateway and starts it.
func again(proc **world.Process, start func(...string) error) error {
	if err := (*proc).Stop(); err != nil {
		return err
	}
	return start()
}

// measureRestarts measures all of it. Of two gateways, the second is restarted as soon as the first serves again.
func measureRestarts(r *report) (err error) {
	progress("restarts of gateways …")
	for _, m := range []struct {
		into            *time.Duration
		prepare, before func(*lab.Lab) error
		measure         func(*reading) (time.Duration, error)
	}{
		{&r.restarts.rolling, (*lab.Lab).AddGateway, func(l *lab.Lab) error { return l.StartSecond() }, rolling},
		{&r.restarts.single, (*lab.Lab).KeepSocket, nothing, single},
		{&r.restarts.killed, nothing, nothing, killed},
	} {
		if *m.into, err = longestOf(m.prepare, m.before, m.measure); err != nil {
			return fmt.Errorf("restarts: %w", err)
		}
	}
	return nil
}

func longestOf(prepare, before func(*lab.Lab) error, measure func(*reading) (time.Duration, error)) (most time.Duration,
	err error) {
	r, err := newReading(prepare, before)
	if err != nil {
		return 0, err
	}
	defer r.close()
	for range restartRounds {
		took, err := measure(r)
		if err != nil {
			return 0, err
		}
		most = max(most, took)
	}
	return most, nil
}

func rolling(r *reading) (time.Duration, error) {
	return r.longest(func() error {
		return errors.Join(again(&r.GatewayProc, r.StartGateway), again(&r.Second.Proc, r.StartSecond))
	})
}

func single(r *reading) (time.Duration, error) {
	return r.longest(func() error { return again(&r.GatewayProc, r.StartGateway) })
}

// killed returns how long after a killed gateway serves again a program waits for the answer to its command.
func killed(r *reading) (time.Duration, error) {
	r.GatewayProc.Kill()
	answered := make(chan error, 1)
	go func() { _, err := r.program.do(order{Do: doRead, N: 1}); answered <- err }()
	if err := r.StartGateway(); err != nil {
		return 0, err
	}
	began := time.Now()
	err := <-answered
	return time.Since(began), err
}
