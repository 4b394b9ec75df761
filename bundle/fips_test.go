package bundle_test

import (
	"testing"

	"tlagate/internal/again"
)

// TestG5RGSUnderFIPS140: crypto: rgs runs a program in Go's FIPS 140 mode; CMS is there all the same.
func TestG5RGSUnderFIPS140(t *testing.T) { again.Run(t, again.FIPS, "TestSP1.*") }
