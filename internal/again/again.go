// Package again runs tests once more under settings of Go that are fixed at a program's start.
package again

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// FIPS is the setting that crypto: rgs rests on.
const FIPS = "fips140=on"

const env = "TLAGATE_TEST_AGAIN"

// Once skips a test in Run: one that takes long and rests on no setting of Go.
func Once(t *testing.T) {
	t.Helper()
	if os.Getenv(env) != "" {
		t.Skip("it has run already, and rests on no setting of Go")
	}
}

// Run runs the tests of this binary that a pattern names in a process of its own, with other settings of Go (GODEBUG).
// There, it does nothing, and reports true.
func Run(t *testing.T, godebug, tests string) bool {
	t.Helper()
	if os.Getenv(env) != "" {
		return true
	}
	c := exec.Command(os.Args[0], "-test.run=^("+tests+")$", "-test.v")
	c.Env = append(os.Environ(), env+"=1", "GODEBUG="+godebug)
	out, err := c.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: Test") {
		t.Fatalf("GODEBUG=%s: %v\n%s", godebug, err, out)
	}
	return false
}
