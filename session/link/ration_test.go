package link

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRation(t *testing.T) {
	r, now := ration{}, time.Unix(1000, 0)
	for range rationBurst {
		require.True(t, r.take(now, rationEvery))
	}
	require.False(t, r.take(now, rationEvery))
	require.True(t, r.take(now.Add(3*rationEvery), rationEvery), "some time later")
	later := now.Add(time.Hour)
	for range rationBurst {
		require.True(t, r.take(later, rationEvery), "as many as the burst, however long it was quiet")
	}
	require.False(t, r.take(later, rationEvery))
}

// TestC1AFloodOfPingsEndsTheLink: whichever end it comes from; what an honest end sends passes.
func TestC1AFloodOfPingsEndsTheLink(t *testing.T) {
	end, gateway := pair(t, Config{}, Config{})
	over, _ := readOn(gateway), readOn(end)
	for range 10 * rationBurst {
		if end.WriteRecord(TypePing, make([]byte, pingLen)) != nil {
			break
		}
	}
	var broken *ProtocolError
	require.ErrorAs(t, <-over, &broken)
	require.ErrorContains(t, broken, "more pings")
}
