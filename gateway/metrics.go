package gateway

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tlagate/pki"
	"tlagate/pki/listen"
	"tlagate/session/link"
)

// meters are what is counted as it happens; collect.go has what is looked up when somebody scrapes. docs/metrics.md
// describes each. No label names a peer: the number of series is bounded, and none says whom it is about.
type meters struct {
	handshake         *prometheus.HistogramVec
	handshakesRefused *prometheus.CounterVec
	connectionsFull   *prometheus.CounterVec
	requestsRefused   *prometheus.CounterVec
	begun             prometheus.Counter
	resumed           prometheus.Counter
	untraced          prometheus.Counter
	ended             *prometheus.CounterVec
	cuts              *prometheus.CounterVec
	proofs            *prometheus.CounterVec
	octets            map[pki.Role]prometheus.Counter
	all               []prometheus.Collector // of these; what Collect sends
}

// handshakeBuckets, in seconds: from a peer whose revocation status is known to the limit of 10 s.
var handshakeBuckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMeters() *meters {
	m := &meters{
		handshake: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "tlagate_handshake_duration_seconds",
			Help: "Time that TLS handshakes took, revocation checks included.", Buckets: handshakeBuckets},
			[]string{"outcome"}),
		begun: prometheus.NewCounter(prometheus.CounterOpts{Name: "tlagate_sessions_begun_total",
			Help: "Sessions joined."}),
		resumed: prometheus.NewCounter(prometheus.CounterOpts{Name: "tlagate_sessions_resumed_total",
			Help: "Further links of sessions joined."}),
		untraced: prometheus.NewCounter(prometheus.CounterOpts{Name: "tlagate_sessions_untraced_total",
			Help: "Sessions begun while the audit trace could not be written."}),
	}
	m.all = append(m.all, m.handshake, m.begun, m.resumed, m.untraced)
	m.handshakesRefused = m.counter("tlagate_handshakes_refused_total",
		"Handshakes that gave no proven peer.", "reason")
	m.connectionsFull = m.counter("tlagate_connections_full_total",
		"Connections closed because a limit was reached.", "limit")
	m.requestsRefused = m.counter("tlagate_requests_refused_total", "Requests answered with a problem.", "problem")
	m.ended = m.counter("tlagate_sessions_ended_total", "Sessions ended.", "reason", "by")
	m.cuts = m.counter("tlagate_cuts_total",
		"Connections and links cut because a certificate no longer passed.", "reason")
	m.proofs = m.counter("tlagate_user_proofs_total",
		"What came of the proofs of users, also where sessions begin without one.", "outcome")
	carried := m.counter("tlagate_session_data_bytes_total", "Data of card sessions carried, encrypted.", "from")
	m.octets = map[pki.Role]prometheus.Counter{
		pki.RoleTLA: carried.WithLabelValues("tla"), pki.RolePdT: carried.WithLabelValues("pdt")}
	m.startAtZero()
	return m
}

func (m *meters) counter(name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.all = append(m.all, c)
	return c
}

// The values of connectionsFull's label.
const (
	fullHandshakes = "handshakes" // under way, in all or from one address
	fullAll        = "connections"
	fullPeer       = "connections_per_peer"
	fullPractice   = "connections_per_practice"
)

// proofOutcomes are the values of proofs' label.
var proofOutcomes = []string{proofPassed, string(link.ProblemUserRequired), string(link.ProblemBadProof),
	string(link.ProblemClockWrong), string(link.ProblemUserRefused), string(link.ProblemUserDenied),
	string(link.CodeUserRevoked)}

// startAtZero makes every series from the start, so that the first event of a kind shows as a rise.
func (m *meters) startAtZero() {
	for _, reason := range pki.Reasons {
		m.handshakesRefused.WithLabelValues(string(reason))
		m.cuts.WithLabelValues(string(reason))
	}
	m.handshakesRefused.WithLabelValues(listen.Rejected)
	m.handshakesRefused.WithLabelValues(listen.NoHeader)
	for _, outcome := range proofOutcomes {
		m.proofs.WithLabelValues(outcome)
	}
	for code := range link.Statuses {
		m.requestsRefused.WithLabelValues(string(code))
	}
	for _, limit := range []string{fullHandshakes, fullAll, fullPeer, fullPractice} {
		m.connectionsFull.WithLabelValues(limit)
	}
	for _, outcome := range []string{"accepted", "refused"} {
		m.handshake.WithLabelValues(outcome)
	}
}

// handshaken fits listen.Config.Observe.
func (m *meters) handshaken(took time.Duration, err error) {
	switch reason := listen.ReasonOf(err); {
	case err == nil:
		m.handshake.WithLabelValues("accepted").Observe(took.Seconds())
	case reason == listen.TooMany:
		m.connectionsFull.WithLabelValues(fullHandshakes).Inc()
	default:
		m.handshake.WithLabelValues("refused").Observe(took.Seconds())
		m.handshakesRefused.WithLabelValues(reason).Inc()
	}
}

// sessionBegun counts a link of a session: its first, or a further one.
func (m *meters) sessionBegun(generation uint32) {
	if generation > 1 {
		m.resumed.Inc()
		return
	}
	m.begun.Inc()
}

// endReasons are the reasons for which a session may end, beyond pki.Reasons.
var endReasons = map[string]bool{
	"closed": true, "dead": true, "network": true, reasonResumed: true,
	string(link.CodeRevoked): true, string(link.CodeExpired): true, string(link.CodeTimeOver): true,
	string(link.CodeDraining): true, string(link.CodePeerGone): true, string(link.CodeEndedByOperator): true,
	string(link.CodeProtocol): true, string(link.CodeUserRevoked): true,
}

// sessionEnded counts an end. A reason that a peer made up in a notice makes no series of its own.
func (m *meters) sessionEnded(reason, by string) {
	m.ended.WithLabelValues(endReason(reason), by).Inc()
}

// endReason returns a reason if it is one of ours, else "other".
func endReason(reason string) string {
	if !endReasons[reason] && !slices.Contains(pki.Reasons, pki.Reason(reason)) {
		return "other"
	}
	return reason
}
