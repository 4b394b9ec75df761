package cli

import (
	"os"
	"runtime"
)

// OneProcessor is for a program that serves one pair of cards: it has nothing to do in parallel, and with more than one
// processor Go's scheduler wakes another one at each hand-off between goroutines, about 5 % of an exchange's time in
// each program. The environment's GOMAXPROCS goes before it.
func OneProcessor() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1)
	}
}
