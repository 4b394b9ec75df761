package siem

import (
	"github.com/prometheus/client_golang/prometheus"

	"tlagate/metrics"
)

// docs/metrics.md describes each.
var (
	descUp = prometheus.NewDesc("tlagate_siem_up", "1 while the SIEM takes lines of the trace.", nil, nil)
	descAt = prometheus.NewDesc("tlagate_siem_delivered_timestamp_seconds",
		"When the SIEM last got a line of the trace.", nil, nil)
	descLine = prometheus.NewDesc("tlagate_siem_delivered_line", "Number of the last line that the SIEM has.", nil, nil)
	descWait = prometheus.NewDesc("tlagate_siem_waiting_lines", "Lines that the SIEM does not have yet.", nil, nil)
	descLost = prometheus.NewDesc("tlagate_siem_lost_lines_total",
		"Lines that were removed, or could not be read, before the SIEM had them.", nil, nil)
)

// Describe sends every metric of a sender (prometheus.Collector).
func (s *Sender) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descAt, descLine, descWait, descLost} {
		ch <- d
	}
}

// Collect sends their values as they are now (prometheus.Collector).
func (s *Sender) Collect(ch chan<- prometheus.Metric) {
	now := s.State()
	up := 0.0
	if now.Up {
		up = 1
	}
	for d, v := range map[*prometheus.Desc]float64{descUp: up, descAt: metrics.Unix(now.At),
		descLine: float64(now.Delivered.Seq), descWait: float64(now.Behind)} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
	ch <- prometheus.MustNewConstMetric(descLost, prometheus.CounterValue, float64(now.Lost))
}
