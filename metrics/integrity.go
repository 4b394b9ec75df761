package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"tlagate/integrity"
)

// docs/metrics.md describes each.
var (
	descLines = prometheus.NewDesc("tlagate_integrity_lines",
		"Lines of the signed manifests with which this machine was compared.", nil, nil)
	descDiffers = prometheus.NewDesc("tlagate_integrity_differs",
		"What on this machine is not as its signed manifests say, the manifests themselves included.", nil, nil)
	descCompared = prometheus.NewDesc("tlagate_integrity_compared_timestamp_seconds",
		"When this machine was last compared with its signed manifests.", nil, nil)
	descEvery = prometheus.NewDesc("tlagate_integrity_interval_seconds",
		"How often this machine is compared with its signed manifests.", nil, nil)
)

// Integrity collects what the comparison with signed manifests finds (DL3).
type Integrity struct {
	state func() (integrity.State, bool)
}

// NewIntegrity returns a collector; state returns what was found, and false if there are no manifests: then there is no
// series.
func NewIntegrity(state func() (integrity.State, bool)) *Integrity { return &Integrity{state} }

// Describe sends every metric (prometheus.Collector).
func (*Integrity) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descLines, descDiffers, descCompared, descEvery} {
		ch <- d
	}
}

// Collect sends their values as they are now (prometheus.Collector).
func (i *Integrity) Collect(ch chan<- prometheus.Metric) {
	s, configured := i.state()
	if !configured {
		return
	}
	for d, v := range map[*prometheus.Desc]float64{descLines: float64(s.Files), descDiffers: float64(s.Differs),
		descCompared: Unix(s.At), descEvery: s.Every.Seconds()} {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v)
	}
}
