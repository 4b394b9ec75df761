package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

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

// footprint is what a gateway holds, in octets: what its last collection found in use, with the stacks; these alone;
// and all that the process has.
type footprint struct{ live, stacks, resident int64 }

// each returns what one of n sessions adds, before being what there was without them.
func (f footprint) each(before footprint, n int) footprint {
	share := func(now, then int64) int64 { return (now - then) / int64(n) }
	return footprint{share(f.live, before.live), share(f.stacks, before.stacks), share(f.resident, before.resident)}
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
	c, err := newCrowd(l)
	if err != nil {
		return err
	}
	defer c.close()
	r.memory, err = c.remembered(metrics)
	return err
}

// warm is how many sessions come before the first look: what the first ones take once is not theirs.
const warm = 20

func (c *crowd) remembered(metrics string) (m remembered, err error) {
	if err := c.begin(0, warm); err != nil {
		return m, err
	}
	before, err := settledMemory(metrics)
	if err != nil {
		return m, err
	}
	few := min(fewListed-warm, memorySessions)
	if err := c.begin(warm, few); err != nil {
		return m, err
	}
	if err := c.list(&m); err != nil {
		return m, err
	}
	if err := c.begin(warm+few, memorySessions-few); err != nil {
		return m, err
	}
	idle, err := settledMemory(metrics)
	if err != nil {
		return m, err
	}
	if err := c.talk(); err != nil {
		return m, err
	}
	used, err := settledMemory(metrics)
	if lost := c.lost.Load(); lost > 0 {
		return m, fmt.Errorf("%d links were lost meanwhile", lost)
	}
	if err != nil {
		return m, err
	}
	m.idle, m.used = idle.each(before, memorySessions), used.each(before, memorySessions)
	return m, c.list(&m)
}

// settledMemory asks for a gateway's metrics, which makes garbage, until it has been collected twice.
func settledMemory(metrics string) (f footprint, err error) {
	var end float64
	for deadline := time.Now().Add(world.Patience); time.Now().Before(deadline); {
		v, err := scrape("http://" + metrics + "/metrics")
		if err != nil {
			return f, err
		}
		cycles := v["go_gc_duration_seconds_count"]
		if end == 0 {
			end = cycles + 3 // one may be under way
		}
		if cycles >= end {
			stacks := int64(v["go_memstats_stack_inuse_bytes"])
			return footprint{int64(v["go_gc_heap_live_bytes"]) + stacks, stacks,
				int64(v["process_resident_memory_bytes"])}, nil
		}
	}
	return f, errors.New("cannot measure the gateway's memory: it collects no garbage")
}

// scrape returns the metrics that have no labels.
func scrape(url string) (map[string]float64, error) {
	resp, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return values(resp.Body)
}

func values(text io.Reader) (map[string]float64, error) {
	found := map[string]float64{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			found[name] = v
		}
	}
	return found, lines.Err()
}
