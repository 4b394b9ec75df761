package gateway

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/internal/pulse/pulsetest"
)

// TestAliveHangsAsTheGatewayDoes: on each of its tables.
func TestAliveHangsAsTheGatewayDoes(t *testing.T) {
	r := start(t)
	r.g.Alive()
	pulsetest.Hangs(t, r.g.Alive, r.g.sessions.mu.Lock, r.g.sessions.mu.Unlock)
	pulsetest.Hangs(t, r.g.Alive, r.g.parked.mu.Lock, r.g.parked.mu.Unlock)
	pulsetest.Hangs(t, r.g.Alive, r.g.clients.mu.Lock, r.g.clients.mu.Unlock)
	r.stop()
	require.NoError(t, <-r.ended)
	r.g.Alive() // a gateway that has stopped hangs in nothing
}
