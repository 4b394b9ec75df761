package integration

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

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
	runManyAtOnce()
	os.Exit(runAndLeaveNothing(m))
}

// runManyAtOnce lets more tests run at once than there are processors, because they wait more than they work; -parallel
// overrides it.
func runManyAtOnce() {
	_ = flag.Set("test.parallel", strconv.Itoa(3*runtime.GOMAXPROCS(0)))
}

// runAndLeaveNothing fails when a test leaves a process, mount, port or file.
func runAndLeaveNothing(m *testing.M) int {
	before, err := world.TakeSnapshot()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := before.Leaked(patience); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}
