package incident

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestSA2IncidentNumbers: numbers differ, and what New returns is what Of takes; nothing else is.
func TestSA2IncidentNumbers(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		n := New()
		require.Equal(t, n, Of(n))
		seen[n] = true
	}
	require.Greater(t, len(seen), 400)
	for _, bad := range []string{"", "K7M", "K7M22", "k7m2", "7K2M", "K7M2\n", " K7M2", "K1M2", "O7M2", "K7M\u0662"} {
		require.Empty(t, Of(bad), "%q", bad)
	}
}
