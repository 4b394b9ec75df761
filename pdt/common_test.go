package pdt

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is the time for what must happen, however slow the machine is.
const patience = 2 * time.Minute

func eventually(t *testing.T, f func() bool, what string) {
	t.Helper()
	require.Eventually(t, f, patience, time.Millisecond, what)
}

var (
	vitaleATR  = []byte{0x3B, 0x75, 0x13, 0, 0, 0x40, 9, 0xEA, 0x90, 0}
	renewedATR = []byte{0x3B, 0x75, 0x13, 0, 0, 0x41, 9, 0xEA, 0x90, 0}
	selectMF   = []byte{0, 0xA4, 0, 0, 2, 0x3F, 0}
)
