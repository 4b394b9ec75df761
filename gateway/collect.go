package gateway

import (
	"crypto/tls"
	"strings"
	"time"

	"tlagate/pki/trust"

	"github.com/prometheus/client_golang/prometheus"

	"tlagate/audit/gauges"
	"tlagate/gateway/fleet"
	"tlagate/gateway/state"
	"tlagate/metrics"
	"tlagate/pki"
	"tlagate/pki/revocation"
	"tlagate/push"
)

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

// What is looked up when somebody scrapes; docs/metrics.md describes each.
var (
	descSessions    = desc("tlagate_sessions", "Sessions that are up.")
	descConnections = desc("tlagate_connections",
		"Open connections whose peer is proven, parked links and those of sessions included.", "role")
	descParked     = desc("tlagate_parked_links", "Links that PdTs have parked.")
	descParkedPdTs = desc("tlagate_parked_pdts", "PdTs that have a link parked.")
	descClones     = desc("tlagate_clones", "Identities that two programs seem to use.")
	descOutdated   = desc("tlagate_outdated",
		"Identities whose program was refused for its version when it last asked.", "role")
	descPending = desc("tlagate_handshakes_pending", "Connections whose peer is not proven yet.")
	descPushUp  = desc("tlagate_push_up", "1 while the PKI there tells of revocations as they are made.", "url")
	descHead    = desc("tlagate_trace_head_timestamp_seconds",
		"When the PKI there last took a head of our audit trace.", "url")
	descHeadRefused = desc("tlagate_trace_head_refused",
		"1 while the PKI there refuses the head of our audit trace: it knows another line, or a later one.", "url")
	descSourceUp = desc("tlagate_revocation_source_up",
		"1 when the last reading of a source brought what can be used.", "kind", "source", "of")
	descSourceRead = desc("tlagate_revocation_source_last_success_timestamp_seconds",
		"When a reading of a source last brought what can be used.", "kind", "source", "of")
	descSourceFailed = desc("tlagate_revocation_source_failures_total",
		"Readings of a source that brought nothing usable.", "kind", "source", "of")
	descNextUpdate = desc("tlagate_revocation_next_update_timestamp_seconds",
		"End (nextUpdate) of what a source has given, whichever is first.", "kind", "source", "of")
	descRenewal = desc("tlagate_revocation_renewal_due_timestamp_seconds",
		"From when on the log warns that what a source has given was not renewed.", "kind", "source", "of")
	descEnd = desc("tlagate_revocation_end_timestamp_seconds",
		"When the first peer or person is refused if no revocation data is renewed from now on; 0: there is none.",
		"of")
	descAnswers = desc("tlagate_revocation_answers", "OCSP answers in use.", "of")
	descMissing = desc("tlagate_pdts_missing",
		"PdTs seen in the last 24 hours that have no link parked now, and no session.")
	descRenewalLate = desc("tlagate_peers_renewal_late",
		"Peers seen in the last 30 days whose certificate has less than a sixth of its life left.", "role")
	descDenied = desc("tlagate_denied",
		"Certificates on the deny list that the PKI pushed, lines of the operator's files, what operators deny.", "by")
	descOwnEnd = desc("tlagate_certificate_end_timestamp_seconds",
		"When our own certificate, or a CA's behind it in its file, ends.", "use")
	descAnchorEnd = desc("tlagate_anchor_end_timestamp_seconds",
		"When the certificate of a trust anchor ends.", "anchor", "serial", "of")
)

// answersInUse stands for the source of OCSP answers, whichever responder gave them.
const answersInUse = "answers in use"

// Describe sends every metric of a gateway (prometheus.Collector).
func (g *Gateway) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		descSessions, descConnections, descParked, descParkedPdTs, descPending, descPushUp, descSourceUp,
		descSourceRead, descSourceFailed, descNextUpdate, descRenewal, descEnd, descAnswers, descDenied, descOwnEnd,
		descAnchorEnd, descHead, descHeadRefused, descMissing, descRenewalLate, descClones, descOutdated,
	} {
		ch <- d
	}
	gauges.Trace{}.Describe(ch)
	for _, c := range g.meters.all {
		c.Describe(ch)
	}
}

// Collect sends their values as they are now (prometheus.Collector).
func (g *Gateway) Collect(ch chan<- prometheus.Metric) {
	for _, c := range g.meters.all {
		c.Collect(ch)
	}
	s, streams := samples{ch: ch, seen: map[string]bool{}}, g.subscribers()
	g.collectPeers(s)
	s.push(streams)
	if g.heads != nil {
		s.traceHeads(g.heads())
	}
	s.peers(g.party.Trust)
	s.persons(g.Persons())
	s.certificates(g.party, streams)
	gauges.Trace{Log: g.trace.log}.Collect(ch)
}

func (g *Gateway) collectPeers(s samples) {
	s.gauge(descSessions, float64(g.sessions.count()))
	parked, pdts := g.parked.count()
	s.gauge(descParked, float64(parked))
	s.gauge(descParkedPdTs, float64(pdts))
	clones, late := g.fleet.Count()
	s.gauge(descClones, float64(clones))
	for role := range fleet.Programs {
		s.gauge(descOutdated, float64(late[role]), string(role))
	}
	roles := g.clients.roles()
	for _, role := range pki.Roles {
		s.gauge(descConnections, float64(roles[role]), string(role))
	}
	pending := 0
	if incoming := g.incoming.Load(); incoming != nil {
		pending = incoming.Pending()
	}
	s.gauge(descPending, float64(pending))
	s.gauge(descDenied, float64(len(g.state.Denied())), "operator")
	s.fleet(g, time.Now())
}

// fleet counts what operators should look after.
func (s samples) fleet(g *Gateway, now time.Time) {
	missing, late, here := 0, map[pki.Role]int{}, serving(g)
	g.state.Each(func(p *state.Seen) {
		away := now.Sub(p.At)
		if away < expected && !p.Parked.IsZero() && !here[p.Identity] {
			missing++
		}
		if away < remembered && p.RenewalLate(now) {
			late[p.Identity.Role]++
		}
	})
	s.gauge(descMissing, float64(missing))
	for _, role := range pki.Roles {
		s.gauge(descRenewalLate, float64(late[role]), string(role))
	}
}

// How long a PdT that went away is expected back, and how long any peer is still somebody's.
const (
	expected   = 24 * time.Hour
	remembered = 30 * 24 * time.Hour
)

// serving returns the PdTs that have a link parked, or a session.
func serving(g *Gateway) map[pki.Identity]bool {
	here := map[pki.Identity]bool{}
	for _, e := range g.parked.list() {
		here[e.client.peer.Identity] = true
	}
	for _, s := range g.state.Sessions(Filter{}, place{}, 0) {
		here[s.pdt.client.peer.Identity] = true
	}
	return here
}

// samples sends values, and none twice: Prometheus would refuse all of them.
type samples struct {
	ch   chan<- prometheus.Metric
	seen map[string]bool
}

func (s samples) gauge(d *prometheus.Desc, v float64, labels ...string) {
	s.send(d, prometheus.GaugeValue, v, labels)
}

func (s samples) send(d *prometheus.Desc, kind prometheus.ValueType, v float64, labels []string) {
	for i := range labels {
		labels[i] = strings.ToValidUTF8(labels[i], "?")
	}
	if key := d.String() + strings.Join(labels, "\x00"); !s.seen[key] {
		s.seen[key] = true
		s.ch <- prometheus.MustNewConstMetric(d, kind, v, labels...)
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func (s samples) push(streams []*push.Subscriber) {
	for _, p := range streams {
		state := p.State()
		s.gauge(descPushUp, truth(state.Up), state.URL)
	}
}

func (s samples) traceHeads(list []TraceHead) {
	for _, h := range list {
		s.gauge(descHead, metrics.Unix(h.Accepted), h.URL)
		s.gauge(descHeadRefused, truth(h.Refused), h.URL)
	}
}

// Whom revocation data are about.
const (
	ofPeers   = "peers"
	ofPersons = "persons"
)

func (s samples) peers(store *trust.Trust) {
	s.gauge(descEnd, metrics.Unix(s.revocation(store, ofPeers)), ofPeers)
	pushed, file := store.DenyListSize()
	s.gauge(descDenied, float64(pushed), "push")
	s.gauge(descDenied, float64(file), "file")
	s.anchors(store, ofPeers)
}

// persons sends what there is about persons, if they are verified. Where responders alone are asked, nothing is at hand
// before somebody comes, and nothing ends.
func (s samples) persons(store *trust.Trust) {
	if store == nil {
		return
	}
	if end := s.revocation(store, ofPersons); !end.IsZero() {
		s.gauge(descEnd, metrics.Unix(end), ofPersons)
	}
	_, file := store.DenyListSize()
	s.gauge(descDenied, float64(file), ofPersons)
	s.anchors(store, ofPersons)
}

// revocation sends where revocation data come from, and how long they last; it returns when the first is refused for
// want of them.
func (s samples) revocation(store *trust.Trust, of string) (end time.Time) {
	for _, source := range store.Sources() {
		s.gauge(descSourceUp, truth(source.Up), source.Kind, source.Where, of)
		s.gauge(descSourceRead, metrics.Unix(source.Read), source.Kind, source.Where, of)
		s.send(descSourceFailed, prometheus.CounterValue, float64(source.Failures),
			[]string{source.Kind, source.Where, of})
	}
	o := store.Outlook()
	for _, list := range o.Lists {
		s.freshness(list, list.Source, of)
	}
	if o.InUse > 0 {
		s.freshness(o.Answers, answersInUse, of)
	}
	s.gauge(descAnswers, float64(o.InUse), of)
	return o.End
}

func (s samples) anchors(store *trust.Trust, of string) {
	for _, a := range store.Anchors() {
		s.gauge(descAnchorEnd, metrics.Unix(a.Cert.NotAfter), a.Cert.Subject.CommonName,
			a.Cert.SerialNumber.Text(16), of)
	}
}

func (s samples) freshness(f revocation.Freshness, source, of string) {
	s.gauge(descNextUpdate, metrics.Unix(f.Until), f.Kind, source, of)
	s.gauge(descRenewal, metrics.Unix(f.Ahead), f.Kind, source, of)
}

func (s samples) certificates(party *trust.Party, streams []*push.Subscriber) {
	s.gauge(descOwnEnd, metrics.Unix(chainEnd(party.Certificate())), "server")
	var first time.Time // of our certificates for streams
	for _, p := range streams {
		if end := chainEnd(p.Certificate()); first.IsZero() || end.Before(first) {
			first = end
		}
	}
	if !first.IsZero() {
		s.gauge(descOwnEnd, metrics.Unix(first), "push")
	}
}

// chainEnd returns the first end in a certificate's file; zero when it cannot be read.
func chainEnd(own *tls.Certificate) time.Time {
	var end time.Time
	if own == nil {
		return end
	}
	chain, err := pki.ParseChain(own.Certificate)
	if err != nil {
		return end
	}
	for _, cert := range chain {
		if end.IsZero() || cert.NotAfter.Before(end) {
			end = cert.NotAfter
		}
	}
	return end
}
