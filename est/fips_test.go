package est

import (
	"testing"

	"tlagate/internal/again"
)

// TestG5RGSUnderFIPS140: crypto: rgs runs a program in Go's FIPS 140 mode; requests for certificates, the exporter,
// codes are there all the same.
func TestG5RGSUnderFIPS140(t *testing.T) { again.Run(t, again.FIPS, "TestG2.*") }
