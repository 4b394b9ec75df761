package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"tlagate/audit"
	"tlagate/gateway"
	"tlagate/internal/tcp"
	"tlagate/pki/pkitest"
	"tlagate/pki/trust"
)

// ready runs a gateway of a deployment until the test ends, and returns what /readyz judges by.
func (d *deployment) ready() readiness {
	d.t.Helper()
	c, _, err := load(d.config)
	require.NoError(d.t, err)
	keys, err := c.Identity.Open()
	require.NoError(d.t, err)
	d.t.Cleanup(func() { keys.Close() })
	store, err := trust.Open(c.Trust.Config(c.Demanded(), slog.New(slog.DiscardHandler)))
	require.NoError(d.t, err)
	trace, err := audit.Open(audit.Config{File: filepath.Join(d.dir, "trace"), MaxSize: 64 << 10, Space: 192 << 10,
		Reserve: 32 << 10})
	require.NoError(d.t, err)
	g := gateway.New(gateway.Config{Party: &trust.Party{Trust: store, Certificate: keys.Certificate}, Trace: trace})
	return readiness{g, store, keys, trace}
}

// serve serves until the test ends.
func (r readiness) serve(t *testing.T) {
	l, err := tcp.Listen(t.Context(), "127.0.0.1:0", false)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.gateway.Serve(ctx, l) }()
	t.Cleanup(func() { stop(); require.NoError(t, <-done); require.NoError(t, r.trace.Close()) })
	<-r.gateway.Serving()
}

// TestUnready: each reason for which work had better go elsewhere.
func TestUnready(t *testing.T) {
	d := deploy(t)
	r := d.ready()
	require.Equal(t, []string{"it does not serve yet"}, r.unready())
	r.serve(t)
	require.Empty(t, r.unready())

	act := gateway.Act{Who: "urn:tlagate:op:admin:claire", Reason: "case 1"}
	require.NoError(t, r.gateway.Drain(act))
	require.Equal(t, []string{"it is draining: it takes no new sessions"}, r.unready())
	require.NoError(t, r.gateway.Resume(act))
	require.Empty(t, r.unready())

	pkitest.WriteCRL(t, d.files.CRL, d.ca.Issuing.CRL(pkitest.CRLStale()))
	r.trust.Reload()
	require.Len(t, r.unready(), 2)
	require.Contains(t, r.unready()[0], "revocation data ended at 2")
	require.Equal(t, "peers would refuse our certificate: crl_stale", r.unready()[1])
	require.Equal(t, "there are no revocation data: peers are refused", outdated(time.Time{}))
}

// TestSA2UnreadyWithoutRoomForTheTrace: no session begins here.
func TestSA2UnreadyWithoutRoomForTheTrace(t *testing.T) {
	r := deploy(t).ready()
	r.serve(t)
	var err error
	for err == nil {
		err = r.trace.Record(audit.ProgramStart, audit.Version("a version"))
	}
	require.True(t, errors.Is(err, audit.ErrFull), err)
	require.Equal(t, []string{"the audit trace cannot be written: no session begins"}, r.unready())
}
