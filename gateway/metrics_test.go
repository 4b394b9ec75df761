package gateway

import (
	"crypto/tls"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tlagate/pki/pkitest"
	"tlagate/pki/revocation"
	"tlagate/pki/trust"
	"tlagate/push"
	"tlagate/session/link"
	"tlagate/session/user"
)

// metered returns the gateway's metrics by `name{label="value"}`; of a histogram, its count.
func (r *rig) metered() map[string]float64 {
	r.t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(r.t, registry.Register(r.g))
	families, err := registry.Gather()
	require.NoError(r.t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			values[f.GetName()+"{"+strings.Join(labels, ",")+"}"] = m.GetGauge().GetValue() +
				m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// becomes waits until a metric has a value.
func (r *rig) becomes(name string, want float64) {
	r.t.Helper()
	var got float64
	require.Eventually(r.t, func() bool { got = r.metered()[name]; return got == want }, patience, 10*time.Millisecond,
		"%s: want %v", name, want)
}

func TestG7MetricsOfASession(t *testing.T) {
	r := start(t)
	p := r.pdt(pdt1)
	near, far := r.joined(r.ca.Issue(tla1, clients), p)
	r.becomes("tlagate_sessions{}", 1)
	r.park(p)
	r.becomes("tlagate_parked_links{}", 1)
	m := r.metered()
	for name, want := range map[string]float64{
		"tlagate_sessions_begun_total{}": 1, "tlagate_parked_pdts{}": 1, "tlagate_handshakes_pending{}": 0,
		"tlagate_connections{role=tla}": 1, "tlagate_connections{role=pdt}": 2, "tlagate_connections{role=admin}": 0,
		"tlagate_handshake_duration_seconds{outcome=accepted}": 3,
		"tlagate_handshake_duration_seconds{outcome=refused}":  0,
		"tlagate_handshakes_refused_total{reason=expired}":     0, "tlagate_revocation_answers{of=peers}": 0,
	} {
		require.Contains(t, m, name)
		require.Equal(t, want, m[name], name)
	}
	_, err := near.Write([]byte("12345"))
	require.NoError(t, err)
	_, err = far.Write([]byte("123"))
	require.NoError(t, err)
	r.becomes("tlagate_session_data_bytes_total{from=tla}", 5)
	r.becomes("tlagate_session_data_bytes_total{from=pdt}", 3)
	near.Close()
	r.becomes("tlagate_sessions_ended_total{by=tla,reason=closed}", 1)
	r.becomes("tlagate_sessions{}", 0)
	r.becomes("tlagate_connections{role=tla}", 0)
}

func TestG7MetricsOfRefusals(t *testing.T) {
	r := start(t, limited(Limits{ConnectionsPerPeer: 1}))
	expired := r.ca.Issue(tla2, clients, pkitest.Expired())
	c, err := net.Dial("tcp", r.addr)
	require.NoError(t, err)
	conn := tls.Client(c, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{trust.ALPNOuter},
		Certificates: []tls.Certificate{expired}})
	_ = conn.Handshake()
	conn.Close()
	r.becomes("tlagate_handshakes_refused_total{reason=expired}", 1)
	r.becomes("tlagate_handshake_duration_seconds{outcome=refused}", 1)

	first := r.as(tla1)
	_, _ = request(t, first, "GET", "/v1/park", upgrade())
	r.becomes("tlagate_requests_refused_total{problem=wrong_role}", 1)
	r.as(tla1)
	r.becomes("tlagate_connections_full_total{limit=connections_per_peer}", 1)
}

// TestG7MetricsOfACut: cutting a session counts one cut for each link, and one end, with the reason.
func TestG7MetricsOfACut(t *testing.T) {
	r := start(t)
	tla := r.ca.Issue(tla1, clients)
	near, _ := r.joined(tla, r.pdt(pdt1))
	idle := r.dial(tla)
	r.becomes("tlagate_connections{role=tla}", 2)
	r.trust.Deny(revocation.Denied{IssuerKeyID: r.ca.Issuing.Cert.SubjectKeyId, Serial: tla.Leaf.SerialNumber,
		At: time.Now()})
	requireNotice(t, link.CodeRevoked, near)
	r.becomes("tlagate_cuts_total{reason=revoked}", 2)
	r.becomes("tlagate_sessions_ended_total{by=gateway,reason=revoked}", 1)
	r.becomes("tlagate_denied{by=push}", 1)
	idle.Close()
}

// TestG7MetricsWarnAhead: metrics say what ends when.
func TestG7MetricsWarnAhead(t *testing.T) {
	own := "tlagate_certificate_end_timestamp_seconds{use=server}"
	r := start(t, func(r *rig, c *Config) {
		s, err := push.New(push.Config{URL: "https://pki.invalid:8444", Party: c.Party})
		require.NoError(r.t, err)
		c.Push = func() []*push.Subscriber { return []*push.Subscriber{s} }
	})
	m := r.metered()
	source := "{kind=crl,of=peers,source=" + r.files.CRL + "}"
	lists := r.trust.Lists()
	next := slices.MinFunc(lists,
		func(a, b revocation.List) int { return a.NextUpdate.Compare(b.NextUpdate) }).NextUpdate
	for name, want := range map[string]float64{
		"tlagate_revocation_source_up" + source:              1,
		"tlagate_revocation_source_failures_total" + source:  0,
		"tlagate_revocation_end_timestamp_seconds{of=peers}": float64(next.Unix()),
		"tlagate_push_up{url=https://pki.invalid:8444}":      0,
		own: float64(chainEnd(r.g.party.Certificate()).Unix()),
	} {
		require.Contains(t, m, name)
		require.Equal(t, want, m[name], name)
	}
	require.Greater(t, m["tlagate_revocation_source_last_success_timestamp_seconds"+source],
		float64(time.Now().Add(-time.Minute).Unix()))
	require.Less(t, m["tlagate_revocation_renewal_due_timestamp_seconds"+source],
		m["tlagate_revocation_next_update_timestamp_seconds"+source])
	require.True(t, slices.ContainsFunc(slices.Collect(maps.Keys(m)),
		func(n string) bool { return strings.HasPrefix(n, "tlagate_anchor_end_timestamp_seconds{anchor=TEST") }))
}

// TestG7NoSeriesOfAPeersMaking: what a peer says makes no series, and no label names a peer.
func TestG7NoSeriesOfAPeersMaking(t *testing.T) {
	m := newMeters()
	for _, reason := range []string{"closed", "revoked", "made_up", "made_up_too", "ocsp_stale"} {
		m.sessionEnded(reason, "tla")
	}
	ch := make(chan prometheus.Metric, 10)
	m.ended.Collect(ch)
	require.Len(t, ch, 4)

	r := start(t)
	r.joined(r.ca.Issue(tla1, clients), r.pdt(pdt1))
	for name := range r.metered() {
		require.NotContains(t, name, "urn:tlagate")
		require.NotContains(t, name, "cab1")
	}
}

// TestG7MetricsOfHeads: when a server last took one of our trace, and whether it refuses them now.
func TestG7MetricsOfHeads(t *testing.T) {
	r := start(t)
	require.NotContains(t, r.metered(), "tlagate_trace_head_refused{url=https://a}", "none are sent")
	at := time.Unix(1_800_000_000, 0)
	r.g.heads = func() []TraceHead {
		return []TraceHead{{URL: "https://a", Accepted: at}, {URL: "https://b", Refused: true},
			{URL: "https://a", Refused: true}} // the same server twice: Prometheus would refuse all
	}
	m := r.metered()
	for name, want := range map[string]float64{
		"tlagate_trace_head_timestamp_seconds{url=https://a}": 1_800_000_000,
		"tlagate_trace_head_refused{url=https://a}":           0,
		"tlagate_trace_head_timestamp_seconds{url=https://b}": 0,
		"tlagate_trace_head_refused{url=https://b}":           1,
	} {
		require.Contains(t, m, name)
		require.InDelta(t, want, m[name], 0, name)
	}
}

// TestG7MetricsWarnAheadOfTheEndOfListsAboutPersons: no terminal of the practices can start a session then.
func TestG7MetricsWarnAheadOfTheEndOfListsAboutPersons(t *testing.T) {
	var s society
	r := start(t, asking(&s, user.Rule{Mode: user.Require}))
	m := r.metered()
	source := "{kind=crl,of=persons,source=" + s.files.CRL + "}"
	const end = "tlagate_revocation_end_timestamp_seconds{of=persons}"
	for name, want := range map[string]float64{
		"tlagate_revocation_source_up" + source:  1,
		"tlagate_revocation_answers{of=persons}": 0,
		"tlagate_denied{by=persons}":             0,
		end:                                      float64(s.store.Outlook().End.Unix()),
		"tlagate_anchor_end_timestamp_seconds{anchor=" + s.Root.Cert.Subject.CommonName + ",of=persons,serial=" +
			s.Root.Cert.SerialNumber.Text(16) + "}": float64(s.Root.Cert.NotAfter.Unix()),
	} {
		require.Contains(t, m, name)
		require.Equal(t, want, m[name], name)
	}
	require.Greater(t, m[end], float64(time.Now().Unix()))
	require.NoError(t, os.Remove(s.files.CRL))
	r.becomes("tlagate_revocation_source_up"+source, 0)
}
