package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// print writes the report in Markdown.
func (r *report) print(out io.Writer) {
	r.printWays(out)
	fmt.Fprintln(out)
	r.printStarts(out)
	fmt.Fprintln(out)
	r.printAims(out)
	fmt.Fprintln(out)
	r.printAhead(out)
	fmt.Fprintln(out)
	r.printFlood(out)
	fmt.Fprintln(out)
	r.printMemory(out)
	fmt.Fprintln(out)
	r.printRestarts(out)
	fmt.Fprintln(out)
	r.printNotes(out)
}

// printHead writes the names of the ways.
func (r *report) printHead(out io.Writer) {
	head := []string{"median (90th percentile)"}
	for i, w := range r.ways {
		head = append(head, fmt.Sprintf("(%c) %s", 'a'+i, w.name))
	}
	row(out, append(head, "(c)/(a)", "(c)/(b)")...)
	row(out, "---", "--:", "--:", "--:", "--:", "--:")
}

// printAPDU writes the first line of printWays alone.
func (r *report) printAPDU(out io.Writer) {
	r.printHead(out)
	row(out, append([]string{nearAPDU}, compare(r.near, times.apdus)...)...)
}

const nearAPDU = "one APDU, loopback"

func (r *report) printWays(out io.Writer) {
	r.printHead(out)
	far := ", " + show(roundTrip) + " round trip"
	for _, line := range []struct {
		what string
		from []times
		pick func(times) []time.Duration
	}{
		{nearAPDU, r.near, times.apdus},
		{"visit, loopback", r.near, func(t times) []time.Duration { return t.visit }},
		{"whole program, loopback", r.near, func(t times) []time.Duration { return t.program }},
		{"one APDU" + far, r.far, times.apdus},
		{"visit" + far, r.far, func(t times) []time.Duration { return t.visit }},
		{"whole program" + far, r.far, func(t times) []time.Duration { return t.program }},
	} {
		row(out, append([]string{line.what}, compare(line.from, line.pick)...)...)
	}
}

// compare returns the cells of one line: a time for each way, then the ratios of (c) to (a) and (b).
func compare(from []times, pick func(times) []time.Duration) (cells []string) {
	var medians []time.Duration
	for _, t := range from {
		d := pick(t)
		medians = append(medians, median(d))
		cells = append(cells, fmt.Sprintf("%s (%s)", show(median(d)), show(quantile(d, 0.9))))
	}
	for _, other := range medians[:2] {
		cells = append(cells, fmt.Sprintf("%.2f", float64(medians[2])/float64(other)))
	}
	return cells
}

func (r *report) printStarts(out io.Writer) {
	head, rule := []string{"from `tla-relay start` until (median)"}, []string{"---"}
	for _, s := range r.starts {
		head, rule = append(head, show(s.nominal)+" round trip"), append(rule, "--:")
	}
	row(out, append(head, "round trips")...)
	row(out, append(rule, "--:")...)
	for _, line := range []struct {
		what string
		pick func(begun) time.Duration
	}{
		{"`tla-pdt` has both cards", func(b begun) time.Duration { return b.plugged }},
		{"the session is up at the TLA", func(b begun) time.Duration { return b.up }},
		{"a PC/SC program that waits at the PdT sees both cards", func(b begun) time.Duration { return b.seen }},
		{"it returns, and says so", func(b begun) time.Duration { return b.visible }},
	} {
		row(out, append([]string{line.what}, r.startCells(line.pick)...)...)
	}
}

// The most that these may be, by which the reader driver is measured.
const (
	mostGap   = 40 * time.Millisecond
	mostRatio = 2.0 // of one APDU, (c) to (b)
)

func (r *report) printAims(out io.Writer) {
	row(out, "aim, on loopback (median)", "measured", "at most")
	row(out, "---", "--:", "--:")
	var gaps []time.Duration
	for _, b := range r.starts[0].each {
		gaps = append(gaps, b.gap())
	}
	row(out, "from the session's being up until a PC/SC program sees both cards", show(median(gaps)), show(mostGap))
	ratio := float64(median(r.near[2].apdu)) / float64(median(r.near[1].apdu))
	row(out, "one APDU, (c)/(b)", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%.2f", mostRatio))
}

// startCells returns the cells of one line: a time for each distance, and the slope over the distance.
func (r *report) startCells(pick func(begun) time.Duration) (cells []string) {
	var x, y []time.Duration
	for _, s := range r.starts {
		var all []time.Duration
		for _, b := range s.each {
			all = append(all, pick(b))
			x, y = append(x, s.trip), append(y, pick(b))
		}
		cells = append(cells, show(median(all)))
	}
	return append(cells, fmt.Sprintf("%.1f", slope(x, y)))
}

func (r *report) printFlood(out io.Writer) {
	what := fmt.Sprintf("%d silent connections from %d addresses", floodConns, floodAddresses)
	row(out, what, "quiet", "under the flood", "ratio", "newcomers served")
	row(out, "---", "--:", "--:", "--:", "--:")
	row(out, append([]string{"one APDU, loopback, 99th percentile"}, r.flood.cells()...)...)
}

func (r *report) printMemory(out io.Writer) {
	m := r.memory
	row(out, fmt.Sprintf("memory of `tla-gateway`, for each of %d idle sessions", memorySessions), "live",
		fmt.Sprintf("of %d KiB", memoryLimit>>10), "stacks of it", "resident")
	row(out, "---", "--:", "--:", "--:", "--:")
	for _, line := range []struct {
		what string
		of   footprint
	}{{"joined", m.idle}, {"joined, and both ends have sent data", m.used}} {
		row(out, line.what, kib(line.of.live), fmt.Sprintf("%.2f", float64(line.of.live)/memoryLimit),
			kib(line.of.stacks), kib(line.of.resident))
	}
	fmt.Fprintln(out)
	row(out, "sessions listed by HTTP (median)", "all of them, in pages", "those of one practice", "at most")
	row(out, "---", "--:", "--:", "--:")
	for _, l := range m.lists {
		most := ""
		if l.sessions >= fewListed {
			most = show(listLimit(l.sessions))
		}
		row(out, fmt.Sprintf("a gateway with %d", l.sessions), show(l.all), show(l.one), most)
	}
}

// missed returns an error if sessions take more memory than they may; of a few of them that says nothing.
func (m remembered) missed() error {
	if memorySessions < manySessions || m.idle.live <= memoryLimit {
		return nil
	}
	return fmt.Errorf("a joined session takes %s of the gateway's memory, and may take %s", kib(m.idle.live),
		kib(memoryLimit))
}

// mostRestart is how long a command may take that comes while gateways are restarted.
const mostRestart = 3 * time.Second

func (r *report) printRestarts(out io.Writer) {
	row(out, fmt.Sprintf("a program reads all the time, the longest command in %d rounds", restartRounds), "measured",
		"at most")
	row(out, "---", "--:", "--:")
	for _, line := range []struct {
		what string
		took time.Duration
	}{
		{"two gateways are restarted, one as soon as the other serves again", r.restarts.rolling},
		{"one gateway is restarted, and its port is kept open", r.restarts.single},
		{"one gateway is killed and started: from when it serves", r.restarts.killed},
	} {
		row(out, line.what, show(line.took), show(mostRestart))
	}
}

// memoryLimit is what a session may take, in octets.
const memoryLimit = 48 << 10

func kib(octets int64) string { return fmt.Sprintf("%.1f KiB", float64(octets)/1024) }

func (r *report) printNotes(out io.Writer) {
	fmt.Fprintf(out,
		"One APDU: READ BINARY of %d bytes, %d times on loopback, %d times far, by a program that holds one "+
			"connection.\n",
		blockSize, nearPlan.apdus(), farPlan.apdus())
	fmt.Fprintf(out,
		"Visit: SCardConnect to a card without power, SELECT, %d × READ BINARY, SCardDisconnect; %d times on "+
			"loopback, %d times far.\n",
		blocks, nearPlan.rounds, farPlan.rounds)
	fmt.Fprintln(out, "Whole program: SCardEstablishContext and SCardListReaders, the visit, SCardReleaseContext.")
	fmt.Fprintln(out, "The card takes no time of its own; (a) has no network, near or far.")
	fmt.Fprintf(out,
		"Start: %d at each distance; the last column is the slope over the distance.\n", startsEach)
	for _, s := range r.starts {
		fmt.Fprintf(out, "A round trip of %s took %s. ", show(s.nominal), show(s.trip))
	}
	fmt.Fprintln(out)
	fmt.Fprintf(out, "%d processors, %s, %s; load average before it began %s.\n",
		runtime.NumCPU(), runtime.GOARCH, runtime.Version(), r.load)
}

func row(out io.Writer, cells ...string) { fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | ")) }

func show(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d%time.Millisecond == 0:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/1e6)
	}
	return fmt.Sprintf("%.3f ms", float64(d)/1e6)
}
