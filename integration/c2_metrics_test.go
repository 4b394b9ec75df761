package integration

import (
	"crypto/x509"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
	"tlagate/pki"
	"tlagate/pki/pkitest"
)

// Metrics and log warn in time; nothing breaks before the data have ended; then the refusals say exactly that (C2, G7).

// scraped is the result of one scrape with curl: the series by name and labels, as Prometheus reads them.
type scraped map[string]float64

func scrape(t *testing.T, where ...string) scraped {
	t.Helper()
	out, err := world.Run(patience, nil, "curl", append([]string{"--silent", "--show-error", "--fail"}, where...)...)
	require.NoError(t, err)
	m := scraped{}
	for line := range strings.Lines(out) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		series += "}"
		if !ok {
			series, value, _ = strings.Cut(strings.TrimSpace(line), " ")
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			m[series] = v
		}
	}
	return m
}

// meter returns a line of configuration that gives the gateway a listener for metrics, and a function that scrapes it.
func meter(t *testing.T) (line string, scrapeIt func(t *testing.T) scraped) {
	t.Helper()
	port, err := world.Port()
	require.NoError(t, err)
	return "metrics: " + world.Addr(port), func(t *testing.T) scraped {
		return scrape(t, "http://"+world.Addr(port)+"/metrics")
	}
}

// becomes scrapes until a series has a value that is ok.
func becomes(t *testing.T, scrapeIt func(*testing.T) scraped, series string, ok func(v float64) bool) {
	t.Helper()
	require.NoError(t, world.Poll(patience, series, func() error {
		if v, there := scrapeIt(t)[series]; !there || !ok(v) {
			return fmt.Errorf("it is %v (there: %v)", v, there)
		}
		return nil
	}))
}

func is(want float64) func(float64) bool { return func(v float64) bool { return v == want } }
func atLeast(want float64) func(float64) bool {
	return func(v float64) bool { return v >= want }
}
func past(v float64) bool { return v <= float64(time.Now().UnixMilli())/1000 }

const end = `tlagate_revocation_end_timestamp_seconds{of="peers"}`

func refused(r pki.Reason) string {
	return `tlagate_handshakes_refused_total{reason="` + string(r) + `"}`
}

func cutFor(r pki.Reason) string { return `tlagate_cuts_total{reason="` + string(r) + `"}` }

// TestC2MetricsWhenTheResponderStops: with OCSP alone, and the real responder, whose answers live a minute.
//
// Fault: the OCSP responder is away.
func TestC2MetricsWhenTheResponderStops(t *testing.T) {
	l := layLab(t)
	b := &bed{Lab: l, t: t}
	url, err := l.StartOCSP("validity: 1m", "metrics: unix:"+l.Path("ocsp.sock"))
	require.NoError(t, err)
	l.GatewayTrust.CRLs = []string{l.Path("pki/public/arl.pem")}
	l.GatewayTrust.OCSP = []string{url}
	line, scrapeIt := meter(t)
	b.startSession(t, line, "limits: {recheck: 1s}")
	responder := `{kind="ocsp",of="peers",source="` + url + `"}`

	t.Run("G7 what an operator sees", func(t *testing.T) {
		// without a certificate
		openssl(t, whoami, append([]string{"s_client", "-connect", l.GatewayAddr, "-ign_eof"}, openSSL13...)...)
		becomes(t, scrapeIt, refused(pki.NoCertificate), is(1))
		m := scrapeIt(t)
		for series, want := range map[string]float64{
			"tlagate_sessions": 1, "tlagate_sessions_begun_total": 1, `tlagate_connections{role="tla"}`: 1,
			"tlagate_revocation_source_up" + responder:                                                          1,
			`tlagate_revocation_source_up{kind="crl",of="peers",source="` + l.Path("pki/public/arl.pem") + `"}`: 1,
			refused(pki.OCSPStale): 0,
		} {
			require.Contains(t, m, series)
			require.Equal(t, want, m[series], series)
		}
		require.Positive(t, m[`tlagate_revocation_answers{of="peers"}`])
		require.False(t, past(m[end]))
		ours := scrape(t, "--unix-socket", l.Path("ocsp.sock"), "http://metrics/metrics")
		require.Positive(t, ours[`tlagate_responder_answers_total{answer="signed"}`])
		require.Equal(t, 1.0, ours["tlagate_responder_ready"])
	})
	require.NoError(t, l.OCSPProc.Stop())
	t.Run("C2 told of ahead, and nothing breaks", func(t *testing.T) {
		becomes(t, scrapeIt, "tlagate_revocation_source_up"+responder, is(0))
		b.startedAgain(t)
		logged(t, l.GatewayProc, 0, "OCSP responder fails", url)
		due := `tlagate_revocation_renewal_due_timestamp_seconds{kind="ocsp",of="peers",source="answers in use"}`
		becomes(t, scrapeIt, due, past)
		logged(t, l.GatewayProc, 0, "revocation data not renewed", "kind=ocsp", "see that the responder runs")
		m := scrapeIt(t)
		require.False(t, past(m[end]), "it is told of ahead")
		require.Equal(t, 1.0, m["tlagate_sessions"])
		require.Zero(t, m[cutFor(pki.OCSPStale)])
	})
	t.Run("C2 then refusals say exactly that", func(t *testing.T) {
		becomes(t, scrapeIt, cutFor(pki.OCSPStale), atLeast(1))
		b.waitEnd(t)
		b.rejectedAtLast(t)
		line := logged(t, l.GatewayProc, 0, "handshake refused", "reason="+string(pki.OCSPStale))
		require.Contains(t, line, "it ended at")
		becomes(t, scrapeIt, refused(pki.OCSPStale), atLeast(1))
		becomes(t, scrapeIt, end, past)
		require.Zero(t, scrapeIt(t)["tlagate_sessions"])
	})
}

// TestC2MetricsWhenPublicationStops: with CRLs alone, of which no new one is published.
//
// Fault: the PKI is away.
func TestC2MetricsWhenPublicationStops(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	last := b.Path("last.crl")
	b.GatewayTrust.CRLs = []string{last, b.ca.files.ARL}
	const life = 45 * time.Second
	list := b.ca.Issuing.CRL(pkitest.CRLValid(-15*time.Second, life))
	pkitest.WriteCRL(t, last, list)
	line, scrapeIt := meter(t)
	b.startSession(t, line, "limits: {recheck: 1s}")
	source := `{kind="crl",of="peers",source="` + last + `"}`

	m := scrapeIt(t)
	read, err := x509.ParseRevocationList(list)
	require.NoError(t, err)
	require.Equal(t, float64(read.NextUpdate.Unix()), m["tlagate_revocation_next_update_timestamp_seconds"+source])
	require.Equal(t, m["tlagate_revocation_next_update_timestamp_seconds"+source], m[end], "the ARL lives longer")
	require.Equal(t, 1.0, m["tlagate_revocation_source_up"+source], "it can be read; only its content is old")

	becomes(t, scrapeIt, "tlagate_revocation_renewal_due_timestamp_seconds"+source, past)
	logged(t, b.GatewayProc, 0, "revocation data not renewed", "kind=crl", last, "see that the CA publishes")
	m = scrapeIt(t)
	require.False(t, past(m[end]), "it is told of ahead")
	require.Equal(t, 1.0, m["tlagate_sessions"])

	becomes(t, scrapeIt, cutFor(pki.CRLStale), atLeast(1))
	b.waitEnd(t)
	require.Equal(t, "rejected", b.startRefused(t).Code)
	logged(t, b.GatewayProc, 0, "handshake refused", "reason="+string(pki.CRLStale), "it ended at", "publish a new one")
	becomes(t, scrapeIt, refused(pki.CRLStale), atLeast(1))
	becomes(t, scrapeIt, end, past)

	pkitest.WriteCRL(t, last, b.ca.Issuing.CRL())
	becomes(t, scrapeIt, end, func(v float64) bool { return !past(v) })
	b.startedWhenParked(t)
}

// startedWhenParked starts a session as soon as the PdT is back.
func (b *bed) startedWhenParked(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return b.relay(t, "start").OK }, patience, 200*time.Millisecond)
}

// TestDL1MetricsStayHere: the gateway does not start with a listener that others can reach.
func TestDL1MetricsStayHere(t *testing.T) {
	b := newBed(t)
	b.ca.publish(t)
	require.ErrorContains(t, b.StartGateway("metrics: 0.0.0.0:9464"), "cannot serve metrics on")
}
