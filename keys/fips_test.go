package keys_test

import (
	"testing"

	"tlagate/internal/again"
)

// TestG5RGSUnderFIPS140: crypto: rgs runs a program in Go's FIPS 140 mode; PBES2 and PBKDF2, key files, the TPM's keys
// are there all the same.
func TestG5RGSUnderFIPS140(t *testing.T) { again.Run(t, again.FIPS, "TestSP2.*|TestG2.*") }
