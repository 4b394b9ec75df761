package cli

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestG2EndIsToldFromAThirdOn(t *testing.T) {
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := &Keys{from: Identity{Cert: "ocsp.crt"}}
	k.now.Store(&tls.Certificate{Leaf: &x509.Certificate{NotBefore: begin, NotAfter: begin.AddDate(0, 0, 90)}})
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	require.False(t, k.warnOfEnd(begin.AddDate(0, 0, 59), log))
	require.Empty(t, out.String())
	require.True(t, k.warnOfEnd(begin.AddDate(0, 0, 60), log))
	require.Contains(t, out.String(), "level=WARN")
	require.Contains(t, out.String(), "until=2026-04-01T00:00:00Z")
}
