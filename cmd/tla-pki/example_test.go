package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/cmd/internal/cli"
)

// The example that is shipped is one that loads.
func TestExampleConfiguration(t *testing.T) {
	var c serveConfig
	require.NoError(t, cli.LoadYAML("../../deploy/examples/pki.yaml", &c))
	require.Equal(t, ":8444", c.Listen)
	require.Equal(t, ":8445", c.EST)
	require.Equal(t, 512, c.Limits.Streams)
	require.Len(t, c.Renew, 1)
	require.Contains(t, read(t, "../../deploy/examples/ocsp.yaml"), "cert: "+string(c.Renew[0].Cert)+",",
		"the responder's is renewed where the responder has it")
}
