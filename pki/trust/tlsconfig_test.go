package trust_test

import (
	"bytes"
	"crypto/tls"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/pki"
	"tlagate/pki/pkitest/bed"
	"tlagate/pki/trust"
)

func TestG5AuthenticatedSuites(t *testing.T) {
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		name := []byte(s.Name)
		want := bytes.Contains(name, []byte("GCM")) || bytes.Contains(name, []byte("POLY1305"))
		require.Equal(t, want, trust.Authenticated(s.ID), s.Name)
	}
}

func TestG5EveryConfigIsFromTheTable(t *testing.T) {
	w := bed.New(t)
	c := trust.PartyConfig(w.Party(w.Open(), bed.PdT1, bed.AsServer))
	require.EqualValues(t, tls.VersionTLS13, c.MinVersion)
	require.EqualValues(t, tls.VersionTLS13, c.MaxVersion)
	require.Equal(t, pki.CryptoDefault.Groups(true), c.CurvePreferences)
	require.True(t, c.SessionTicketsDisabled)
	require.Nil(t, c.ClientSessionCache)
	require.Equal(t, tls.RenegotiateNever, c.Renegotiation)
}
