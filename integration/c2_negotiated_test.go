package integration

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/lab"
	"tlagate/integration/world"
	"tlagate/pdt"
	"tlagate/pki"
)

// TestC2WhatWasNegotiatedIsToldEverywhere: both ends of a session say what was negotiated in each layer, and so does
// the gateway's log of each connection; curl offers another group than our programs, and whoami says so.
func TestC2WhatWasNegotiatedIsToldEverywhere(t *testing.T) {
	l := newLab(t)
	startSession(t, l)
	relay := relayStatus(t, l).Session
	require.NotNil(t, relay.GatewayTLS)
	require.NotNil(t, relay.PdTTLS)
	out, err := l.Run("tla-pdt", "status", "--config", l.Path("pdt.yaml"), "--json")
	require.NoError(t, err)
	var workstation pdt.Status
	require.NoError(t, json.Unmarshal([]byte(out), &workstation))

	all := []pki.Negotiated{*relay.GatewayTLS, *relay.PdTTLS, workstation.Session.TLS, *workstation.Gateways[0].TLS}
	for _, n := range all {
		require.Equal(t, "TLS 1.3", n.Version)
		require.Equal(t, "X25519MLKEM768", n.Group)
		require.False(t, n.Resumed)
		require.NotEmpty(t, n.Suite)
		require.NotEmpty(t, n.Signature)
	}
	require.Equal(t, relay.PdTTLS.Suite, workstation.Session.TLS.Suite)
	told := `tls="` + relay.GatewayTLS.Version + ", " + relay.GatewayTLS.Group
	logged(t, l.GatewayProc, 0, "connection accepted", "peer="+lab.TLA, told)

	plain, err := l.Relay("status")
	require.NoError(t, err)
	require.Contains(t, plain, relay.PdTTLS.String())
	plain, err = l.Run("tla-pdt", "status", "--config", l.Path("pdt.yaml"))
	require.NoError(t, err)
	require.Contains(t, plain, workstation.Session.TLS.String())

	asked, err := world.Run(patience, nil, "curl", "--silent", "--show-error", "--curves", "P-384",
		"--cacert", l.TLATrust.Anchor, "--cert", l.TLAKeys.Cert, "--key", l.TLAKeys.Key,
		"https://"+l.Via()+"/v1/whoami")
	require.NoError(t, err)
	require.Contains(t, asked, `"tls":{"version":"TLS 1.3","suite":"TLS_`)
	require.Contains(t, asked, `"group":"CurveP384"`)
}
