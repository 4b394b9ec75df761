package cards

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNoPadInAnswersThatHaveNone(t *testing.T) {
	for _, features := range [][]byte{nil, {6}, {6, 4, 0, 0, 1}, {6, 3, 0, 0, 0, 1}, {7, 4, 0x42, 0, 0, 7}} {
		require.Zero(t, verifyCode(features))
	}
}
