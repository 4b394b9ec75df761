package cli

import (
	"os"
	"runtime"
)

// OneProcessor makes a program that serves one pair of cards use one processor. It has nothing to do in parallel, and
// with more processors Go's scheduler wakes another one at each hand-over between goroutines, which costs about 5 % of
// an exchange's time in each program. GOMAXPROCS in the environment overrides it.
func OneProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
