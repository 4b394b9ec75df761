package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/faults"
	"tlagate/pki"
)

// TestC3InspectingProxyIsNamed: TLS is opened on the way. Relay and PdT refuse, say so and name the CA, and the
// professional reads that the network is the cause.
func TestC3InspectingProxyIsNamed(t *testing.T) {
	for name, copies := range map[string]bool{"by the name that was dialled": false,
		"copying the gateway's names": true} {
		t.Run(name, func(t *testing.T) {
			b := newBed(t)
			b.ca.publish(t)
			require.NoError(t, b.StartGateway())
			inspector, err := faults.NewInspector(b.GatewayAddr, copies)
			require.NoError(t, err)
			defer inspector.Close()
			b.TLAVia, b.PdTVia = []string{b.Named(inspector.Addr())}, []string{b.Named(inspector.Addr())}
			require.NoError(t, b.LaunchPdT())
			require.NoError(t, b.StartRelay())
			logged(t, b.PdTProc, 0, "no link to the gateway", "reason=inspected", faults.InspectorName)
			why := b.startRefused(t)
			require.Equal(t, []string{"refused", string(pki.Inspected)}, []string{why.Code, why.Reason})
			logged(t, b.RelayProc, 0, "attempt failed", "reason=inspected", faults.InspectorName)
			out, err := b.Relay("start")
			require.ErrorContains(t, err, "ce réseau intercepte les connexions chiffrées", out)
		})
	}
}
