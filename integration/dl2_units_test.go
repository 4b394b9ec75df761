package integration

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/integration/world"
)

// TestDL2ServerUnitsAreHardened: the examples' units, by systemd's own judgement, from 0, nothing exposed, to 10: at most 2.
func TestDL2ServerUnitsAreHardened(t *testing.T) {
	t.Parallel()
	root, err := world.ModuleRoot()
	require.NoError(t, err)
	units, err := filepath.Glob(filepath.Join(root, "deploy/examples/*.service"))
	require.NoError(t, err)
	require.Len(t, units, 4)
	for _, unit := range units {
		_, err := world.Run(patience, nil, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", unit)
		require.NoError(t, err, "its exposure is more than 2.0: systemd-analyze security --offline=true %s", unit)
	}
}
