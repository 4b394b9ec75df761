package metrics

import (
	"regexp"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Collector is what a registry asks for the metrics of a part of a program.
type Collector = prometheus.Collector

// live is what the last collection found in use, which Go's own metrics tell and client_golang leaves out by default.
var live = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}

// NewRegistry returns a registry with what every program exports: tlagate_build_info, its clock, and the go_ and
// process_ metrics of client_golang, go_gc_heap_live_bytes among them. Version is the program's.
func NewRegistry(version string) *prometheus.Registry {
	r := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "tlagate_build_info", Help: "1; the labels say which version runs.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	build.Set(1)
	clock := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tlagate_clock_timestamp_seconds",
		Help: "What time it is here, to be compared with other machines'."}, func() float64 { return Unix(time.Now()) })
	r.MustRegister(build, clock, collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(live)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// Unix returns a time as metrics show it, in seconds since 1970; 0 = never.
func Unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1000
}
