package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The shipped example can be loaded.
func TestExampleConfiguration(t *testing.T) {
	c, rules, err := load("../../deploy/examples/gateway.yaml")
	require.NoError(t, err)
	require.Empty(t, rules)
	require.Equal(t, ":8443", c.Listen)
	require.Equal(t, "127.0.0.1:9464", c.Metrics)
	require.Equal(t, 16, c.Limits.ParkedPerPdT)
}
