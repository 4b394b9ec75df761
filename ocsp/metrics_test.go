package ocsp

import (
	"crypto"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tlagate/internal/pulse/pulsetest"
)

// metered gathers a responder's metrics, by name and label's value.
func metered(t *testing.T, r *Responder) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	require.NoError(t, registry.Register(r))
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	return values
}

func TestG7Metrics(t *testing.T) {
	b := newBed(t)
	clock := b.manualClock()
	r, url := b.serve()
	post(t, url, b.ask(b.tla("t1"), crypto.SHA256))
	post(t, url, []byte("good morning"))
	do(t, http.MethodPut, url, nil, nil)
	m := metered(t, r)
	for name, want := range map[string]float64{
		"tlagate_responder_answers_total signed": 1, "tlagate_responder_answers_total malformed": 1,
		"tlagate_responder_answers_total try_later": 0,
		"tlagate_responder_http_refused_total":      1, "tlagate_responder_signatures_total": 1,
		"tlagate_responder_ready":                             1,
		"tlagate_responder_certificate_end_timestamp_seconds": float64(r.signer.Load().cert.NotAfter.Unix()),
	} {
		require.Contains(t, m, name)
		require.Equal(t, want, m[name], name)
	}
	clock.add(100 * 24 * time.Hour)
	require.Zero(t, metered(t, r)["tlagate_responder_ready"], "the delegated certificate is over")
}

// TestUnready: each reason for which requests had better go to another responder.
func TestUnready(t *testing.T) {
	b := newBed(t)
	clock := b.manualClock()
	require.Equal(t, []string{"it does not serve yet"}, b.open().Unready())
	r, _ := b.serve()
	r.Alive()
	require.Empty(t, r.Unready())
	clock.add(100 * 24 * time.Hour)
	require.Len(t, r.Unready(), 1)
}

// TestAliveHangsAsTheLookDoes: at the books.
func TestAliveHangsAsTheLookDoes(t *testing.T) {
	r, _ := newBed(t).serve()
	r.Alive()
	pulsetest.Hangs(t, r.Alive, r.looking.Lock, r.looking.Unlock)
}
