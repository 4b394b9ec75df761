package world

import (
	"os"
	"testing"
)

// sleeperEnv makes the test binary the program of TestNothingSurvivesAKill.
const sleeperEnv = "TLAGATE_WORLD_SLEEPER"

func TestMain(m *testing.M) {
	Enter()
	if os.Getenv(sleeperEnv) != "" {
		os.Exit(sleeper())
	}
	os.Exit(m.Run())
}
