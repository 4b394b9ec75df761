// Package again runs tests once more under settings of Go that are fixed at a program's start.
package again

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

const env = "TLAGATE_TEST_AGAIN"

// Run runs the tests of this binary that a pattern names in a process of its own, with other settings of Go
// (GODEBUG), which are fixed at a program's start. There, it does nothing, and reports true.
func Run(t *testing.T, godebug, tests string) bool {
	t.Helper()
	if os.Getenv(env) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^("+tests+")$", "-test.v")
	c.Env = append(os.Environ(), env+"=1", "GODEBUG="+godebug)
	out, err := c.CombinedOutput()
	require.NoError(t, err, "GODEBUG=%s\n%s", godebug, out)
	require.Contains(t, string(out), "--- PASS: Test")
	return false
}

// FIPS is the setting of Go that crypto: rgs rests on.
const FIPS = "fips140=on"
