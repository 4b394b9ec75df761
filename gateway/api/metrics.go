package api

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

type meters struct {
	requests *prometheus.CounterVec
	broken   prometheus.Counter
}

func newMeters() *meters {
	return &meters{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "tlagate_gateway_api_requests_total",
			Help: "Requests to the API that were answered, by HTTP status."}, []string{"status"}),
		broken: prometheus.NewCounter(prometheus.CounterOpts{Name: "tlagate_gateway_break_glass_total",
			Help: "Requests to the API for which root broke the glass."}),
	}
}

func (m *meters) answered(status int) { m.requests.WithLabelValues(strconv.Itoa(status)).Inc() }

var streamsDesc = prometheus.NewDesc("tlagate_gateway_api_event_streams", "Event streams of the API that are open.",
	nil, nil)

// Describe is of prometheus.Collector.
func (s *Server) Describe(out chan<- *prometheus.Desc) {
	s.meters.requests.Describe(out)
	s.meters.broken.Describe(out)
	out <- streamsDesc
}

// Collect is of prometheus.Collector.
func (s *Server) Collect(out chan<- prometheus.Metric) {
	s.meters.requests.Collect(out)
	s.meters.broken.Collect(out)
	out <- prometheus.MustNewConstMetric(streamsDesc, prometheus.GaugeValue, float64(s.streams.Taken()))
}
