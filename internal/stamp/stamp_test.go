package stamp

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestStamps(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 30, 5, 999, time.FixedZone("CET", 3600))
	require.Equal(t, "2026-02-28 23:30 UTC", Minute(at))
	require.Equal(t, "2026-02-28 23:30:05 UTC", Second(at))
	require.Equal(t, "2026-02-28", Day(at))
	require.Equal(t, "2026-02-28T23:30:05Z", Instant(at))
}
