// Package gauges has the metrics of an audit trace; docs/metrics.md describes each.
package gauges

import (
	"github.com/prometheus/client_golang/prometheus"

	"tlagate/audit"
	"tlagate/metrics"
)

var (
	descFailing = newDesc("tlagate_trace_failing", "1 while something cannot be written to the audit trace.")
	descLines   = newDesc("tlagate_trace_lines_total", "Lines written to the audit trace.")
	descWaiting = newDesc("tlagate_trace_waiting", "Events that wait until they can be written to the audit trace.")
	descLost    = newDesc("tlagate_trace_lost_total",
		"Events that are not in the audit trace, since too many waited; a line there counts them.")
	descRationed = newDesc("tlagate_trace_rationed_total",
		"Events about strangers that the audit trace only counts.")
	descUsed = newDesc("tlagate_trace_used_bytes", "Octets of the audit trace's files.")
	descFree = newDesc("tlagate_trace_free_bytes",
		"Octets that the audit trace may still take, of the disk and of audit.space.")
	descReserve = newDesc("tlagate_trace_reserve_whole",
		"1 while the room is there that is kept for ends, cuts and operators' acts.")
	descHeld   = newDesc("tlagate_trace_held", "1 while nothing is purged, for an investigation.")
	descOldest = newDesc("tlagate_trace_oldest_timestamp_seconds", "Time of the oldest line of the audit trace.")

	descs = []*prometheus.Desc{descFailing, descLines, descWaiting, descLost,
		descRationed, descUsed, descFree, descReserve, descHeld, descOldest}
)

func newDesc(name, help string) *prometheus.Desc { return prometheus.NewDesc(name, help, nil, nil) }

// Trace is a prometheus.Collector of a trace's state as it is when somebody scrapes.
type Trace struct {
	Log *audit.Log // nil = no trace is kept, and nothing is collected
}

// Describe sends every metric.
func (t Trace) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect sends their values.
func (t Trace) Collect(ch chan<- prometheus.Metric) {
	if t.Log == nil {
		return
	}
	state := t.Log.Stats()
	gauge := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	gauge(descFailing, truth(state.Failing != ""))
	counter(descLines, float64(state.Lines))
	gauge(descWaiting, float64(state.Waiting))
	counter(descLost, float64(state.Lost))
	counter(descRationed, float64(state.Rationed))
	gauge(descUsed, float64(state.Used))
	if state.Free >= 0 {
		gauge(descFree, float64(state.Free))
	}
	gauge(descReserve, truth(state.Reserve))
	gauge(descHeld, truth(state.Held))
	gauge(descOldest, metrics.Unix(state.Oldest))
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
