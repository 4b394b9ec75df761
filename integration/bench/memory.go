package main

import (
	"fmt"

	"tlagate/integration/crowd"
	"tlagate/integration/lab"
	"tlagate/integration/world"
)

// manySessions is with how many joined and idle sessions the aim is to be reached.
const manySessions = 2000

// memorySessions is how many of them a gateway has, for the rows about its memory.
var memorySessions = manySessions

// remembered is what a gateway holds for each of many joined sessions that are idle: before any data, and when each end
// has sent some; and how long an operator waits for lists of them.
type remembered struct {
	idle, used footprint
	lists      []listed
}

// footprint is what a gateway holds of each session, in octets.
type footprint struct{ live, stacks, resident int64 }

// between returns what one of n sessions adds, before being what there was without them.
func between(before, now crowd.Footprint, n int) footprint {
	share := func(now, then int64) int64 { return (now - then) / int64(n) }
	return footprint{share(now.Live, before.Live), share(now.Stacks, before.Stacks),
		share(now.Resident, before.Resident)}
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
	if err := l.StartGateway(fmt.Sprintf("metrics: %q", metrics), "limits: {recheck: 1h}",
		fmt.Sprintf("api: {socket: %q}", l.Path("api.sock"))); err != nil {
		return err
	}
	c, err := crowd.New(l)
	if err != nil {
		return err
	}
	defer c.Close()
	r.memory, err = measureCrowd(c, metrics, l.Path("api.sock"))
	return err
}

// warm is how many sessions come before the first look: what the first ones take once is not theirs.
const warm = 20

// measureCrowd measures a gateway by its metrics and by its API.
func measureCrowd(c *crowd.Crowd, metrics, api string) (m remembered, err error) {
	if err := c.Begin(0, warm); err != nil {
		return m, err
	}
	before, err := crowd.Settled(metrics)
	if err != nil {
		return m, err
	}
	few := min(fewListed-warm, memorySessions)
	if err := c.Begin(warm, few); err != nil {
		return m, err
	}
	if err := m.list(c, api); err != nil {
		return m, err
	}
	if err := c.Begin(warm+few, memorySessions-few); err != nil {
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
	if err != nil {
		return m, err
	}
	m.idle, m.used = between(before, idle, memorySessions), between(before, used, memorySessions)
	return m, m.list(c, api)
}
