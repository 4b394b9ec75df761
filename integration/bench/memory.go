package main

import (
	"fmt"

	"tlagate/integration/crowd"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// memorySessions is how many joined and idle sessions a gateway has, for the row about its memory.
var memorySessions = 2000

// remembered is what a gateway holds for each of many joined sessions that are idle: before any data, and when each end
// has sent some.
type remembered struct{ idle, used footprint }

// footprint is what a gateway holds of each session, in octets.
type footprint struct{ live, resident int64 }

// between returns what one of n sessions adds, before being what there was without them.
func between(before, now crowd.Footprint, n int) footprint {
	return footprint{(now.Live - before.Live) / int64(n), (now.Resident - before.Resident) / int64(n)}
}

// measureMemory has a gateway, a process of its own, hold many sessions that are joined and idle.
func measureMemory(r *report) error {
	progress("%d joined sessions of one gateway …", memorySessions)
	l, err := lab.New()
	if err != nil {
		return err
	}
	defer l.Close()
	port, err := world.Port()
	if err != nil {
		return err
	}
	metrics := world.Addr(port)
	// Each look at all certificates makes garbage for seconds, which would count.
	if err := l.StartGateway(fmt.Sprintf("metrics: %q", metrics), "limits: {recheck: 1h}"); err != nil {
		return err
	}
	c, err := crowd.New(l)
	if err != nil {
		return err
	}
	defer c.Close()
	r.memory, err = measureCrowd(c, metrics)
	return err
}

// warm is how many sessions come before the first look: what the first ones take once is not theirs.
const warm = 20

func measureCrowd(c *crowd.Crowd, metrics string) (m remembered, err error) {
	if err := c.Begin(0, warm); err != nil {
		return m, err
	}
	before, err := crowd.Settled(metrics)
	if err != nil {
		return m, err
	}
	if err := c.Begin(warm, memorySessions); err != nil {
		return m, err
	}
	idle, err := crowd.Settled(metrics)
	if err != nil {
		return m, err
	}
	if err := c.Talk(); err != nil {
		return m, err
	}
	used, err := crowd.Settled(metrics)
	if lost := c.Lost(); lost > 0 {
		return m, fmt.Errorf("%d sessions were lost meanwhile", lost)
	}
	return remembered{between(before, idle, memorySessions), between(before, used, memorySessions)}, err
}
