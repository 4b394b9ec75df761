package faults

import (
	"os"
	"testing"

	"tlagate/integration/world"
)

func TestMain(m *testing.M) {
	world.Enter()
	os.Exit(m.Run())
}
