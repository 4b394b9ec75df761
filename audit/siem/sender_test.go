package siem

import (
	"context"
	"crypto/tls"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/pki/pkitest"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

// TestSA2SIEMAwayAndBack: while the SIEM is away nothing waits for it, and then it gets every line, in order, over the
// trace's full files.
func TestSA2SIEMAwayAndBack(t *testing.T) {
	r := newRig(t)
	r.record(10)
	s, stop := r.run()
	r.await("the first lines", func() bool { return s.State().Delivered.Seq == 10 })
	require.True(t, s.State().Up)
	require.EqualValues(t, 0, s.State().Behind)

	r.siem.set(func(c *collector) { c.away = true })
	r.siem.reset()
	r.await("down", func() bool { return !s.State().Up })
	r.record(400)
	require.EqualValues(t, 400, s.State().Behind)
	require.EqualValues(t, 10, s.State().Delivered.Seq)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(r.cfg.Trace), "audit-*.jsonl"))
	require.NoError(t, err)
	require.Greater(t, len(files), 2)

	r.siem.set(func(c *collector) { c.away = false })
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 410 })
	r.siem.requireInOrder(1, 410)
	r.await("up", func() bool { return s.State().Up })
	require.Contains(t, r.log.String(), "the SIEM does not get the trace; its lines wait on the disk")
	require.LessOrEqual(t, strings.Count(r.log.String(), "level=WARN"), 2, "lost; and what then stays the matter")
	stop()

	r.record(5) // while no program runs
	before := len(r.siem.messages())
	s, _ = r.run()
	r.await("the rest", func() bool { return s.State().Delivered.Seq == 415 })
	rest := r.siem.messages()[before:]
	require.Len(t, rest, 5, "what the cursor says is delivered is not sent again")
	require.EqualValues(t, 411, rest[0].seq)
}

// TestSA2SIEMKilledAgainAndAgain: connections that are reset with octets on the way lose nothing.
func TestSA2SIEMKilledAgainAndAgain(t *testing.T) {
	r := newRig(t)
	r.siem.set(func(c *collector) { c.most = 7 })
	r.cfg.Settle = time.Hour // longer than any machine takes to reset a connection
	r.record(60)
	s, stop := r.run()
	r.await("ten connections", func() bool { r.siem.mu.Lock(); defer r.siem.mu.Unlock(); return r.siem.count > 10 })
	require.Zero(t, s.State().Delivered.Seq, "what a reset follows at once is not delivered")
	stop()
	r.siem.set(func(c *collector) { c.most = 0 })
	r.cfg.Settle = 5 * time.Millisecond
	s, _ = r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 60 })
	r.siem.requireInOrder(1, 60)
}

// TestSA2SIEMThatStopsReading: it costs a bounded time, and the trace goes on; lines that it has not taken come again.
//
// Fault: a peer reads slowly, or not at all.
func TestSA2SIEMThatStopsReading(t *testing.T) {
	r := newRig(t)
	r.siem.set(func(c *collector) { c.silent = true })
	r.cfg.Timeout, r.cfg.Settle = time.Second, time.Hour
	r.cfg.Dial = func(ctx context.Context, to string) (net.Conn, error) {
		c, err := r.siem.dial(ctx, to)
		if err == nil {
			err = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
		return c, err
	}
	big := audit.Names([]string{strings.Repeat("x", 4000)})
	for range 200 { // more than the buffers of a connection take
		r.lines++
		r.trace.Later(audit.HostPackagesAdded, big)
	}
	s, stop := r.run()
	r.await("it is found out", func() bool { return strings.Contains(r.log.String(), "does not take what is sent") })
	r.record(10)
	require.Zero(t, s.State().Delivered)
	require.False(t, s.State().Up)
	stop()

	r.siem.set(func(c *collector) { c.silent = false })
	r.cfg.Timeout, r.cfg.Settle = bed.Patience, 5*time.Millisecond
	s, _ = r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == uint64(r.lines) })
	r.siem.requireInOrder(1, uint64(r.lines))
}

// TestSA2SIEMHostile: a server that is not the SIEM gets no line, and the trace goes on.
func TestSA2SIEMHostile(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*rig) *tls.Config
		says  string
	}{
		"another name": {func(r *rig) *tls.Config { return show(r.certificate(pkitest.DNS("siem.example.net"))) },
			"not siem.example"},
		"foreign CA": {func(r *rig) *tls.Config {
			return show(pkitest.New(r.t).Issuing.Issue("", bed.AsServer, pkitest.DNS("siem.example")))
		}, "unknown_issuer"},
		"expired": {func(r *rig) *tls.Config { return show(r.certificate(pkitest.Expired())) }, "it ended at"},
		"for clients": {func(r *rig) *tls.Config { return show(r.certificate(pkitest.EKU(bed.AsClient))) },
			"it is not for serverAuth"},
		"TLS 1.2": {func(r *rig) *tls.Config {
			conf := show(r.certificate())
			conf.MaxVersion = tls.VersionTLS12
			return conf
		}, "TLS 1.3"},
		"it talks": {func(r *rig) *tls.Config {
			r.siem.talks = true
			return show(r.certificate())
		}, "sends data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.siem.conf = c.spoil(r)
			r.cfg.Settle = time.Hour
			r.record(3)
			s, _ := r.run()
			r.await("it is found out", func() bool { return strings.Contains(r.log.String(), "level=WARN") })
			require.Contains(t, r.log.String(), c.says)
			r.record(3)
			require.Zero(t, s.State().Delivered)
			require.False(t, s.State().Up)
			require.EqualValues(t, 6, s.State().Behind)
			if name != "it talks" {
				require.Empty(t, r.siem.messages())
			}
		})
	}
}

func show(cert tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{cert}}
}

// TestSA2SIEMWantsOurCertificate: the gateway shows its certificate when it is asked to; without one the SIEM's refusal
// is logged.
func TestSA2SIEMWantsOurCertificate(t *testing.T) {
	r := newRig(t)
	r.siem.conf.ClientAuth = tls.RequireAnyClientCert
	r.record(3)
	_, stop := r.run()
	r.await("refused", func() bool { return strings.Contains(r.log.String(), "certificate required") })
	stop()
	ours := r.w.Issue("urn:tlagate:op:gateway:gw1", bed.AsClient)
	r.cfg.Party = &trust.Party{Trust: r.cfg.Party.Trust, Certificate: func() *tls.Certificate { return &ours }}
	s, _ := r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 3 })
}

// TestSA2SIEMIsRevoked: a connection ends when the certificate of its server no longer passes.
func TestSA2SIEMIsRevoked(t *testing.T) {
	r := newRig(t)
	cert := r.certificate()
	r.siem.conf = show(cert)
	r.cfg.Recheck = time.Millisecond
	r.record(3)
	s, _ := r.run()
	r.await("the first lines", func() bool { return s.State().Delivered.Seq == 3 })
	r.w.Issuing.Revoke(cert.Leaf)
	r.w.WriteCRLs(r.w.Files)
	r.cfg.Party.Trust.Reload()
	r.await("cut", func() bool { return strings.Contains(r.log.String(), "revoked") })
	r.record(3)
	require.EqualValues(t, 3, s.State().Delivered.Seq)
}

// TestSA2SIEMLinesThatWerePurged: the log and a metric say so, once, and what is left is sent.
func TestSA2SIEMLinesThatWerePurged(t *testing.T) {
	r := newRig(t)
	r.record(400)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(r.cfg.Trace), "audit-*.jsonl"))
	require.NoError(t, err)
	require.NoError(t, os.Remove(files[0]))
	first, err := audit.Follow(r.cfg.Trace, audit.Place{}).Next(1, 1)
	require.Empty(t, first)
	gone := missing(err)
	require.NotNil(t, gone)
	s, _ := r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 400 })
	r.siem.requireInOrder(gone.To+1, 400)
	require.Equal(t, gone.To, s.State().Lost)
	require.Equal(t, 1, strings.Count(r.log.String(), "level=ERROR"))
	require.Contains(t, r.log.String(), "before the SIEM had them")
	require.Equal(t, map[string]float64{"tlagate_siem_up": 1, "tlagate_siem_delivered_line": 400,
		"tlagate_siem_waiting_lines": 0, "tlagate_siem_lost_lines_total": float64(gone.To)}, measured(t, s))
}

// measured returns the metrics of a sender, without the time.
func measured(t *testing.T, s *Sender) map[string]float64 {
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(s))
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, f := range families {
		m := f.GetMetric()[0]
		values[f.GetName()] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
	}
	require.NotZero(t, values["tlagate_siem_delivered_timestamp_seconds"])
	delete(values, "tlagate_siem_delivered_timestamp_seconds")
	return values
}

// TestSA2SIEMOfAnotherTrace: a trace that was replaced is reported, and sent from its beginning.
func TestSA2SIEMOfAnotherTrace(t *testing.T) {
	r := newRig(t)
	r.record(3)
	require.NoError(t, writeCursor(r.cfg.Trace, audit.Place{Seq: 50, Hash: strings.Repeat("a", 64)}))
	s, _ := r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 3 })
	require.Contains(t, r.log.String(), "somebody rewrote or replaced it")
	r.siem.requireInOrder(1, 3)
}

// TestSA2SIEMCursor: what is written is read; what is not a cursor costs repetitions, and no line.
func TestSA2SIEMCursor(t *testing.T) {
	r := newRig(t)
	at, err := readCursor(r.cfg.Trace)
	require.NoError(t, err)
	require.Zero(t, at)
	for _, want := range []audit.Place{{Seq: 7, Hash: strings.Repeat("0a", 32)}, {Seq: 9}} {
		require.NoError(t, writeCursor(r.cfg.Trace, want))
		at, err = readCursor(r.cfg.Trace)
		require.NoError(t, err)
		require.Equal(t, want, at)
	}
	whole, err := os.ReadFile(cursorName(r.cfg.Trace))
	require.NoError(t, err)
	for _, bad := range []string{"", "\n", "7", string(whole[1:]), string(whole) + "\n", strings.Repeat("x", 1000),
		strings.Replace(string(whole), " ", "\t", 1)} {
		require.NoError(t, os.WriteFile(cursorName(r.cfg.Trace), []byte(bad), 0o600))
		_, err = readCursor(r.cfg.Trace)
		require.Error(t, err, "%q", bad)
	}
	r.record(3)
	s, _ := r.run()
	r.await("all lines", func() bool { return s.State().Delivered.Seq == 3 })
	require.Contains(t, r.log.String(), "all of it is sent again")
	r.siem.requireInOrder(1, 3)
}

// TestSA2SIEMEndsInGoodOrder: a SIEM that has read everything, and says so at the end, gets nothing again.
func TestSA2SIEMEndsInGoodOrder(t *testing.T) {
	r := newRig(t)
	r.cfg.Settle = time.Hour
	r.record(3)
	s, stop := r.run()
	r.await("all lines", func() bool { return r.siem.last() == 3 })
	stop()
	require.EqualValues(t, 3, s.State().Delivered.Seq)
	at, err := readCursor(r.cfg.Trace)
	require.NoError(t, err)
	require.EqualValues(t, 3, at.Seq)
}
