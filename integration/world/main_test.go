package world

import (
	"os"
	"testing"
)

// A program of its own: see TestNothingSurvivesAKill.
const sleeperEnv = "TLAGATE_WORLD_SLEEPER"

func TestMain(m *testing.M) {
	Enter()
	if os.Getenv(sleeperEnv) != "" {
		os.Exit(sleeper())
	}
	os.Exit(m.Run())
}
