package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"tlagate/integration/world"
)

func TestMain(m *testing.M) {
	if os.Getenv(pcscClientEnv) != "" {
		if err := runPCSCClient(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "PC/SC client:", err)
			os.Exit(1)
		}
		return
	}
	world.Enter()
	os.Exit(runAndLeaveNothing(m))
}

// runAndLeaveNothing fails when a test leaves a process, mount, port or file.
func runAndLeaveNothing(m *testing.M) int {
	before, err := world.TakeSnapshot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := before.Leaked(5 * time.Second); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
