package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

func TestHybridOfTheConfiguration(t *testing.T) {
	for demand, required := range map[string]bool{"": false, "preferred": false, "required": true} {
		h := cli.Hybrid{Demand: demand}
		require.NoError(t, h.CheckHybrid())
		require.Equal(t, required, h.Hybrids(nil).Required)
	}
	require.ErrorContains(t, cli.Hybrid{Demand: "requird"}.CheckHybrid(), `"requird" is neither`)
}
