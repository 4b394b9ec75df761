package integration

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/faults"
)

// TestC2RGSBehindABox: devices that say nothing of crypto, run in Go's FIPS 140 mode as their units have it, and get
// only short hellos through look to a gateway with crypto: rgs like devices with it. Their card session keeps to the
// letter, too.
func TestC2RGSBehindABox(t *testing.T) {
	l := layLab(t)
	l.Env = []string{"GODEBUG=fips140=on"}
	require.NoError(t, l.StartReaders())
	require.NoError(t, l.InsertCards())
	require.NoError(t, l.StartGateway(rgs))
	p, err := faults.NewProxy(l.GatewayAddr)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	p.LimitHello(1000, faults.Reset)
	l.TLAVia, l.PdTVia = []string{l.Named(p.Addr())}, []string{l.Named(p.Addr())}
	require.NoError(t, l.StartPdT())
	require.NoError(t, l.StartRelay())
	startSession(t, l)
	for _, n := range negotiatedBy(t, l) {
		require.NotContains(t, n.Group, "X25519")
	}
}
