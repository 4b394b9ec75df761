package backup

import (
	"testing"

	"tlagate/internal/again"
)

// TestG5RGSUnderFIPS140: crypto: rgs runs a program in Go's FIPS 140 mode; age: scrypt, X25519, ChaCha20-Poly1305,
// ML-KEM are there all the same.
func TestG5RGSUnderFIPS140(t *testing.T) { again.Run(t, again.FIPS, "TestSP[12].*") }
