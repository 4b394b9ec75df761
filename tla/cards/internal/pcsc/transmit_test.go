package pcsc

import (
	"testing"

	"github.com/ebfe/scard"
	"github.com/stretchr/testify/require"
)

// TestHandleIsWhereItWas: another release of scard may call it something else.
func TestHandleIsWhereItWas(t *testing.T) {
	c := systemCard{card: new(scard.Card)}
	require.NotPanics(t, func() { require.Zero(t, c.handle()) })
}
