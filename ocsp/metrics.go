package ocsp

import (
	"github.com/prometheus/client_golang/prometheus"

	"tlagate/metrics"
)

// docs/metrics.md describes each.
var (
	descAnswers = prometheus.NewDesc("tlagate_responder_answers_total", "Requests answered, by the kind of answer.",
		[]string{"answer"}, nil)
	descSame = prometheus.NewDesc("tlagate_responder_unchanged_total",
		"Answers not sent because the client had them already (304).", nil, nil)
	descHTTP = prometheus.NewDesc("tlagate_responder_http_refused_total",
		"Requests refused before OCSP: method, type, size.", nil, nil)
	descSigned = prometheus.NewDesc("tlagate_responder_signatures_total", "Signatures made.", nil, nil)
	descReady  = prometheus.NewDesc("tlagate_responder_ready", "1 while requests get signed answers.", nil, nil)
	descSeen   = prometheus.NewDesc("tlagate_responder_books_read_timestamp_seconds",
		"When the CA's database was last read.", nil, nil)
	descEnd = prometheus.NewDesc("tlagate_responder_certificate_end_timestamp_seconds",
		"When the delegated certificate ends.", nil, nil)
)

// Describe sends every metric of a responder (prometheus.Collector).
func (r *Responder) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAnswers, descSame, descHTTP, descSigned, descReady, descSeen, descEnd} {
		ch <- d
	}
}

// Collect gathers them as they are now (prometheus.Collector).
func (r *Responder) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
	c := r.tally()
	for answer, n := range map[string]uint64{
		"signed": c.Plain, "signed_nonce": c.Nonces, "malformed": c.Malformed, "unauthorized": c.Unauthorized,
		"try_later": c.TryLater, "failed": c.Failed,
	} {
		send(descAnswers, prometheus.CounterValue, float64(n), answer)
	}
	send(descSame, prometheus.CounterValue, float64(c.Unchanged))
	send(descHTTP, prometheus.CounterValue, float64(c.HTTP))
	send(descSigned, prometheus.CounterValue, float64(c.Signed))
	ready := 0.0
	if r.ready(r.cfg.Clock()) == nil {
		ready = 1
	}
	send(descReady, prometheus.GaugeValue, ready)
	send(descSeen, prometheus.GaugeValue, metrics.Unix(*r.seen.Load()))
	send(descEnd, prometheus.GaugeValue, metrics.Unix(r.signer.Load().cert.NotAfter))
}
