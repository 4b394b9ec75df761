package atr

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrefersT1(t *testing.T) {
	for atr, want := range map[string]bool{
		"3B9B188001001225006480040100009044":     true,  // CPS4: TD1 says T=0, TD2 T=1
		"3BAC00402A001225006480000310009000":     false, // CPS3
		"3B751300004509EA9000":                   false, // Vitale 2
		"3B8001":                                 true,
		"3B80":                                   false, // cut short
		"3B80F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0": false,
		"3B":                                     false,
		"":                                       false,
	} {
		octets, err := hex.DecodeString(atr)
		require.NoError(t, err)
		require.Equal(t, want, PrefersT1(octets), atr)
	}
}
