package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/gateway"
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

// TestSA1DefaultsCarryNineThousandSessions: connections and open files of the shipped configuration and unit.
func TestSA1DefaultsCarryNineThousandSessions(t *testing.T) {
	c, _, err := load("../../deploy/examples/gateway.yaml")
	require.NoError(t, err)
	require.Equal(t, gateway.Limits{}.WithDefaults().Connections, c.Limits.Connections)
	require.GreaterOrEqual(t, c.Limits.Connections, 3*9000, "two joined, one parked")
	unit, err := os.ReadFile("../../deploy/examples/tla-gateway.service")
	require.NoError(t, err)
	m := regexp.MustCompile(`(?m)^LimitNOFILE=(\d+)$`).FindSubmatch(unit)
	require.NotNil(t, m)
	files, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	require.GreaterOrEqual(t, files, c.Limits.Connections+16384+256, "and strangers, and other files")
}
