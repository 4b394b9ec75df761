package ca_test

import (
	"testing"

	"tlagate/internal/again"
)

// TestG5RGSUnderFIPS140: crypto: rgs runs a program in Go's FIPS 140 mode; what cfssl signs, with names by SHA-1,
// revocation, renewal are there all the same.
func TestG5RGSUnderFIPS140(t *testing.T) { again.Run(t, again.FIPS, "TestG2.*|TestC2.*") }
