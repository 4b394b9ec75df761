package vpcd

import (
	"flag"
	"testing"

	"go.uber.org/goleak"
)

// Tests wait more than they work.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8")
	goleak.VerifyTestMain(m)
}
