package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"tlagate/bundle"
	"tlagate/cmd/internal/cli"
	"tlagate/tla/policy"
)

// TestSP1ThePolicyBuiltInFitsABundle: what a terminal reads of the bundle is the policy that was signed.
func TestSP1ThePolicyBuiltInFitsABundle(t *testing.T) {
	const file = "../tla-relay/policy.yaml"
	var c bundle.Content
	require.NoError(t, order{Policy: orderFile{file}}.addPolicy(&c))
	var signed, plain policy.Table
	require.NoError(t, cli.DecodeYAML(c.Policy, &signed))
	require.NoError(t, cli.LoadYAML(file, &plain))
	require.Equal(t, plain, signed)
}

func TestPolicyThatLeadsToItself(t *testing.T) {
	file := t.TempDir() + "/policy.yaml"
	require.NoError(t, os.WriteFile(file, []byte("profiles: &a [*a]\n"), 0o600))
	require.Error(t, order{Policy: orderFile{cli.Path(file)}}.addPolicy(&bundle.Content{}))
}
